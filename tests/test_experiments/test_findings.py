"""Statements of the paper are held against ours, seed by seed."""

import pytest

from mmgl.experiments import TABLES, Cell
from mmgl.experiments.findings import (
    AGREES,
    ALONE,
    APART,
    DIFFERS,
    OPEN,
    WAITS,
    find,
    findings_text,
)
from mmgl.experiments.tables import FAIL


def record(mAP, **marks):
    metrics = {'all_single/rank1': mAP + 1, 'all_single/mAP': mAP}
    return {'metrics': metrics, 'verdict': None, **marks}


def judge(better, worse, **marks):
    """Say of AGW from MMGL and from random weights, by seed."""
    records = {
        Cell('mini', 'agw', init, seed): record(value, **marks.get(init, {}))
        if value != FAIL
        else {'metrics': FAIL, 'verdict': 'non-finite loss'}
        for init, values in (('mmgl', better), ('random', worse))
        for seed, value in enumerate(values)
    }
    [finding] = [
        f
        for f in find('mini', records)
        if (f.table, f.better.method) == ('table2', 'agw')
    ]
    return finding


@pytest.mark.parametrize('scale', ['mini', 'full'])
def test_the_paper_makes_every_statement(scale):
    found = find(scale, {})
    assert {f.verdict for f in found} == {WAITS}
    # All statements can be tried at both scales.
    assert len(found) == sum(len(table.claims) for table in TABLES.values())
    for finding in found:
        better, worse = finding.better.paper, finding.worse.paper
        assert better != FAIL
        if worse != FAIL:
            assert better[finding.keys[-1]] > worse[finding.keys[-1]]


@pytest.mark.parametrize(
    'better, worse, verdict',
    [
        ([20, 30], [10, 20], AGREES),
        ([10, 20], [20, 30], DIFFERS),
        # 10 and 2: mean 6, deviation 5.66; 10 and 0: mean 5, deviation 7.07.
        ([20, 22], [10, 20], AGREES),
        ([20, 20], [10, 20], OPEN),
        ([20], [10, 20], ALONE),
        ([FAIL, 20], [10, 20], ALONE),
        ([FAIL], [10], WAITS),
        ([], [10], WAITS),
    ],
)
def test_verdicts(better, worse, verdict):
    assert judge(better, worse).verdict == verdict


def test_runs_of_other_configs():
    old = dict(stale=True)
    both = judge([30, 30], [10, 20], mmgl=old, random=old)
    assert both.verdict == AGREES
    one = judge([30, 30], [10, 20], mmgl=old)
    assert one.verdict == APART
    text = findings_text([both, one])
    assert f'{AGREES} (outdated)' in text and f'{APART} |' in text
    assert text.startswith(
        f'Of 2 statements of the paper: 1 {AGREES}, 0 {DIFFERS}'
    )


def test_differences_are_written_with_those_of_the_paper():
    line = findings_text([judge([30, 30], [10, 20])]).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip('|').split('|')]
    assert cells == [
        'Table II',
        'AGW from MMGL',
        'AGW from random',
        '+28.43',
        '+15.00 ± 7.07',
        '2',
        AGREES,
    ]
