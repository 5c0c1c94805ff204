"""Numbers printed in the tables of the MMGL paper, in percent.

Wan et al., "Self-Supervised Modality-Aware Multiple Granularity Pre-Training
for RGB-Infrared Person Re-Identification". They are quoted, not measured, as
printed, also where Tables II and V disagree
(``docs/results/notes/table2.md``). ``-`` stands where it prints nothing.
"""

FAIL = 'fail'
_RANKS = ('rank1', 'rank10', 'rank20', 'mAP')
_SHORT = ('rank1', 'rank10', 'mAP')
_PAIR = ('rank1', 'mAP')


def _read(
    text: str, groups: tuple[str, ...], measures: tuple[str, ...]
) -> dict[str, dict | str]:
    """Read lines of a name and its numbers, group by group.

    Args:
        text: One row a line; ``fail`` may stand for all numbers.
        groups: What the metrics begin with, such as 'all_single'.
        measures: What they end with.

    Returns:
        By name, percent by metric, or 'fail'.

    Raises:
        ValueError: If a line has too many or too few numbers.
    """
    keys = [f'{group}/{measure}' for group in groups for measure in measures]
    rows: dict[str, dict | str] = {}
    for line in text.strip().splitlines():
        name, *numbers = line.split()
        if numbers == [FAIL]:
            rows[name] = FAIL
            continue
        rows[name] = {
            key: float(number)
            for key, number in zip(keys, numbers, strict=True)
            if number != '-'
        }
    return rows


def _join(*parts: dict[str, dict | str]) -> dict[str, dict | str]:
    """Join the groups of a table that is too wide for one text."""
    joined: dict[str, dict | str] = {}
    for part in parts:
        for name, row in part.items():
            joined[name] = (
                FAIL if row == FAIL else {**joined.get(name, {}), **row}
            )
    return joined


# Rows are METHOD/INITIAL-WEIGHTS. SYSU-MM01.
TABLE2 = _join(
    _read(
        """
one-stream/random 26.29 67.86 81.26 27.28
one-stream/imagenet 43.66 83.92 92.23 43.70
one-stream/mmgl 52.65 89.31 95.00 51.48
agw/random 25.47 66.06 80.11 26.07
agw/imagenet 48.58 87.58 94.83 49.37
agw/mmgl 56.61 90.23 95.91 54.50
ddag/random fail
ddag/imagenet 54.75 90.39 95.81 53.02
ddag/mmgl 55.33 90.91 96.15 54.06
nfs/random 30.45 71.83 82.97 31.43
nfs/imagenet 56.91 91.34 96.52 55.45
nfs/mmgl 61.65 93.07 97.89 59.25
caj/random fail
caj/imagenet 66.62 95.44 98.56 64.04
caj/mmgl 68.37 96.29 99.03 66.27
mutual-info/random fail
mutual-info/imagenet 60.62 94.18 98.14 58.80
mutual-info/mmgl 62.38 95.39 99.03 60.91
mpanet/random fail
mpanet/imagenet 70.58 96.21 98.80 68.24
mpanet/mmgl 72.45 96.82 98.90 69.17
""",
        ('all_single',),
        _RANKS,
    ),
    _read(
        """
one-stream/random 30.83 73.07 85.53 20.81
one-stream/imagenet 50.16 87.10 94.50 37.20
one-stream/mmgl 59.99 92.76 96.98 45.03
agw/random 32.67 75.81 87.13 22.98
agw/imagenet 54.73 92.46 96.72 42.90
agw/mmgl 61.41 93.30 97.40 48.27
ddag/random fail
ddag/imagenet 61.83 92.68 97.49 47.06
ddag/mmgl 60.97 92.88 97.53 46.85
nfs/random 34.18 76.63 87.34 25.01
nfs/imagenet 63.51 94.42 97.81 48.56
nfs/mmgl 67.73 97.00 98.82 52.99
caj/random fail
caj/imagenet 74.07 96.88 98.93 56.75
caj/mmgl 77.09 97.99 99.40 59.34
mutual-info/random fail
mutual-info/imagenet - - - -
mutual-info/mmgl 68.28 97.48 99.03 53.67
mpanet/random fail
mpanet/imagenet 75.58 97.91 99.43 62.91
mpanet/mmgl 76.43 98.12 99.30 63.54
""",
        ('all_multi',),
        _RANKS,
    ),
    _read(
        """
one-stream/random 26.05 72.15 87.99 36.24
one-stream/imagenet 48.93 89.28 96.40 57.86
one-stream/mmgl 55.05 93.43 97.02 63.75
agw/random 26.38 70.61 86.08 35.95
agw/imagenet 54.67 89.56 95.91 42.90
agw/mmgl 62.55 94.60 98.02 69.62
ddag/random fail
ddag/imagenet 61.02 94.06 98.41 67.98
ddag/mmgl 60.71 93.82 98.03 67.98
nfs/random 30.03 75.59 89.57 40.38
nfs/imagenet 62.79 96.53 99.07 69.79
nfs/mmgl 67.34 98.30 99.35 72.28
caj/random fail
caj/imagenet 71.39 96.81 99.31 76.47
caj/mmgl 75.25 98.26 99.64 79.80
mutual-info/random fail
mutual-info/imagenet 66.05 96.59 99.38 72.98
mutual-info/mmgl 68.85 97.20 99.56 74.54
mpanet/random fail
mpanet/imagenet 76.74 98.21 99.57 80.95
mpanet/mmgl 78.24 98.59 99.50 81.03
""",
        ('indoor_single',),
        _RANKS,
    ),
    _read(
        """
one-stream/random 31.39 78.86 91.82 25.96
one-stream/imagenet 56.80 92.47 97.11 49.11
one-stream/mmgl 64.85 95.53 98.02 54.72
agw/random 33.37 80.01 92.15 27.83
agw/imagenet 62.13 93.42 97.06 54.56
agw/mmgl 70.13 95.55 98.08 61.47
ddag/random fail
ddag/imagenet 69.23 95.13 98.31 59.42
ddag/mmgl 67.79 95.70 98.20 59.00
nfs/random 34.70 82.66 93.16 30.09
nfs/imagenet 70.03 97.70 99.51 61.45
nfs/mmgl 75.76 98.84 99.66 65.68
caj/random fail
caj/imagenet 82.11 97.95 99.03 70.22
caj/mmgl 85.15 99.37 99.88 73.75
mutual-info/random fail
mutual-info/imagenet - - - -
mutual-info/mmgl 76.47 99.26 99.40 66.12
mpanet/random fail
mpanet/imagenet 84.22 99.66 99.96 75.11
mpanet/mmgl 85.00 99.68 99.96 75.75
""",
        ('indoor_multi',),
        _RANKS,
    ),
)

# RegDB. The paper's text pre-trains on SYSU-MM01.
TABLE3 = _read(
    """
one-stream/random 17.04 33.74 44.76 19.81 16.70 33.20 44.37 19.79
one-stream/imagenet 63.17 84.02 91.89 61.32 61.39 83.27 90.99 60.12
one-stream/mmgl 67.83 86.72 93.00 65.32 65.77 86.11 93.53 65.56
agw/random fail
agw/imagenet 70.73 86.46 91.41 65.04 69.85 86.31 89.62 63.66
agw/mmgl 75.43 89.91 94.02 70.12 74.25 88.60 91.05 70.00
ddag/random fail
ddag/imagenet 69.34 86.19 91.49 63.46 68.06 85.15 90.31 61.80
ddag/mmgl 67.28 85.63 89.95 61.78 67.00 84.75 89.34 60.17
nfs/random 37.92 63.57 72.83 38.05 37.35 62.81 71.33 37.69
nfs/imagenet 80.54 91.96 95.07 72.10 77.95 90.45 93.62 69.79
nfs/mmgl 83.79 93.80 96.96 76.38 81.72 93.23 96.25 75.08
caj/random fail
caj/imagenet 83.25 94.29 97.04 77.31 82.63 94.58 97.11 75.96
caj/mmgl 84.32 95.27 97.65 78.55 83.40 95.33 97.00 77.18
mutual-info/random fail
mutual-info/imagenet 73.2 - - 71.6 71.8 - - 70.1
mutual-info/mmgl 75.08 89.60 94.61 72.74 75.30 89.21 91.17 74.83
mpanet/random fail
mpanet/imagenet 82.8 - - 80.7 83.7 - - 80.9
mpanet/mmgl 82.95 94.26 97.15 81.23 85.28 96.34 98.00 83.89
""",
    ('visible_to_infrared', 'infrared_to_visible'),
    _RANKS,
)

# AGW on SYSU-MM01, all-search, single-shot.
TABLE4 = _read(
    """
colorization 30.57 69.02 29.49
jigsaw 40.74 82.07 37.71
psl 50.86 86.12 49.35
simclr 46.17 84.93 43.38
swav 48.25 85.62 45.07
byol 52.37 87.34 50.03
simsiam fail
barlow-twins 51.78 86.45 50.23
mmgl 56.61 90.23 54.50
""",
    ('all_single',),
    _SHORT,
)

# AGW on SYSU-MM01, single-shot; huang is [7] of the paper, no pre-training.
TABLE5 = _read(
    """
random 25.47 66.06 26.07 26.38 70.61 35.95
imagenet 48.58 87.58 49.37 54.73 92.46 63.72
huang 49.0 - 48.8 - - -
p 50.99 88.25 49.77 55.53 91.29 63.33
pe 55.57 90.67 53.99 60.32 94.41 67.81
pc 55.05 89.61 53.05 58.93 93.23 66.34
mmgl 56.61 90.23 54.50 62.55 94.60 69.62
""",
    ('all_single', 'indoor_single'),
    _SHORT,
)

# Number of stripes N.
TABLE6 = _read(
    """
2 52.54 50.77
3 55.09 53.08
6 56.61 54.50
9 55.70 53.16
18 fail
""",
    ('all_single',),
    _PAIR,
)

# Temperature tau.
TABLE7 = _read(
    """
0.03 52.39 51.21
0.05 54.11 53.47
0.07 56.61 54.50
0.1 55.85 53.97
0.2 54.79 53.91
0.3 54.03 53.00
""",
    ('all_single',),
    _PAIR,
)

# Balance coefficient lambda.
TABLE8 = _read(
    """
0.1 55.05 53.15
0.2 56.61 54.50
0.3 55.78 53.80
0.4 54.75 53.00
0.5 55.88 53.56
1 54.03 53.11
""",
    ('all_single',),
    _PAIR,
)
