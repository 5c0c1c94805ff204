"""The short form of the campaign: a minute of one core."""

import pytest
from fuzz.campaign import Outcome, campaign, fault_table, faults, table
from fuzz.cases import damaged
from fuzz.entrances import ENTRANCES

AGAIN = 'python tests/fuzz --only ATTACK'


@pytest.fixture(scope='module')
def outcomes():
    # What undamaged input is made by.
    for package in ('safetensors', 'webdataset'):
        pytest.importorskip(package)
    return list(campaign(long=False))


def test_no_file_runs_code_and_none_is_misread(outcomes):
    found = faults(outcomes)
    assert not found, f'{fault_table(found)}\n{AGAIN}'


def test_campaign_tries_something_everywhere(outcomes):
    counts = table(outcomes).splitlines()
    assert len(counts) > 15 and len(outcomes) > 300
    # Refusals mean something only where good input is taken.
    good = [one for one in outcomes if 'good' in one.attack]
    assert good and all(one.verdict == 'clean' for one in good)
    whats = {one.what.split(',')[0] for one in outcomes}
    assert {name for name in list(ENTRANCES)[:7]} <= whats


def test_damage_is_the_same_for_the_same_number():
    import numpy as np

    data = bytes(range(200))
    found = [damaged(data, np.random.default_rng(n)) for n in range(60)]
    assert found == [
        damaged(data, np.random.default_rng(n)) for n in range(60)
    ]
    assert len({way for way, _ in found}) == 6
    assert all(changed != data for way, changed in found if way == 'flipped')


def test_tables_count_and_name_faults():
    ones = [
        Outcome('a', 0, 'x', 'clean', ''),
        Outcome('a', 1, 'y', 'silent', 'gave 1 | 2'),
        Outcome('b', 0, 'z', 'hang', 'late'),
    ]
    lines = table(ones).splitlines()
    assert lines[2] == '| a | 2 | 1 | 0 | 1 | 0 | 0 | 0 |'
    assert lines[-1] == '| all | 3 | 1 | 0 | 1 | 0 | 1 | 0 |'
    rows = fault_table(ones).splitlines()[2:]
    assert rows == [
        '| a: y | silent | 1 | no. 1: gave 1 / 2 |',
        '| b: z | hang | 1 | no. 0: late |',
    ]
