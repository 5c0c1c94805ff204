"""Numbers printed in the tables of the MMGL paper, in percent.

Wan et al., "Self-Supervised Modality-Aware Multiple Granularity Pre-Training
for RGB-Infrared Person Re-Identification". They are quoted, not measured.
"""

FAIL = 'fail'

# Table II, SYSU-MM01, all-search, single-shot: Rank-1, mAP.
TABLE2 = {
    ('one-stream', 'random'): (26.29, 27.28),
    ('one-stream', 'imagenet'): (43.66, 43.70),
    ('one-stream', 'mmgl'): (52.65, 51.48),
    ('agw', 'random'): (25.47, 26.07),
    ('agw', 'imagenet'): (48.58, 49.37),
    ('agw', 'mmgl'): (56.61, 54.50),
    ('ddag', 'random'): FAIL,
    ('ddag', 'imagenet'): (54.75, 53.02),
    ('ddag', 'mmgl'): (55.33, 54.06),
    ('nfs', 'random'): (30.45, 31.43),
    ('nfs', 'imagenet'): (56.91, 55.45),
    ('nfs', 'mmgl'): (61.65, 59.25),
    ('caj', 'random'): FAIL,
    ('caj', 'imagenet'): (66.62, 64.04),
    ('caj', 'mmgl'): (68.37, 66.27),
    ('mutual-info', 'random'): FAIL,
    ('mutual-info', 'imagenet'): (60.62, 58.80),
    ('mutual-info', 'mmgl'): (62.38, 60.91),
    ('mpanet', 'random'): FAIL,
    ('mpanet', 'imagenet'): (70.58, 68.24),
    ('mpanet', 'mmgl'): (72.45, 69.17),
}

# Table III, RegDB, visible to infrared: Rank-1, mAP.
TABLE3 = {
    ('one-stream', 'random'): (17.04, 19.81),
    ('one-stream', 'imagenet'): (63.17, 61.32),
    ('one-stream', 'mmgl'): (67.83, 65.32),
    ('agw', 'random'): FAIL,
    ('agw', 'imagenet'): (70.73, 65.04),
    ('agw', 'mmgl'): (75.43, 70.12),
    ('ddag', 'random'): FAIL,
    ('ddag', 'imagenet'): (69.34, 63.46),
    ('ddag', 'mmgl'): (67.28, 61.78),
    ('nfs', 'random'): (37.92, 38.05),
    ('nfs', 'imagenet'): (80.54, 72.10),
    ('nfs', 'mmgl'): (83.79, 76.38),
    ('caj', 'random'): FAIL,
    ('caj', 'imagenet'): (83.25, 77.31),
    ('caj', 'mmgl'): (84.32, 78.55),
    ('mutual-info', 'random'): FAIL,
    ('mutual-info', 'imagenet'): (73.2, 71.6),
    ('mutual-info', 'mmgl'): (75.08, 72.74),
    ('mpanet', 'random'): FAIL,
    ('mpanet', 'imagenet'): (82.8, 80.7),
    ('mpanet', 'mmgl'): (82.95, 81.23),
}
