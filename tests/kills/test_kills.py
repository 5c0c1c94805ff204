"""Nothing is lost by a kill: the same command again ends in the same bits.

By hand, with fewer than the 50 kills of the default, and the table printed:
    pytest -m slow -s tests/kills --kills 10
"""

import random

import pytest
from campaign import CYCLE, Tally, shares, table, torment
from programs import programs


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return programs(tmp_path_factory.mktemp('shared'))


@pytest.fixture(scope='module')
def tallies():
    """What happened to each program; printed at the end."""
    found = {}
    yield found
    print(f'\n{table(found)}')


@pytest.mark.slow
@pytest.mark.parametrize('name', dict.fromkeys(CYCLE))
def test_nothing_is_lost(name, made, tallies, tmp_path, request):
    kills = shares(request.config.getoption('--kills', 50))[name]
    seed = request.config.getoption('--kill-seed', 0)
    if not kills:
        pytest.skip('more --kills reach it')
    rng = random.Random(f'{seed} {name}')
    tallies[name] = torment(made[name], kills, rng, tmp_path)
    assert tallies[name].kills == kills
    assert tallies[name].faults == []


def test_kills_are_shared_out():
    assert sum(shares(50).values()) == 50 and min(shares(50).values()) == 5
    assert set(shares(10).values()) == {1, 2}
    text = table({'training': Tally(3, 4, 20.4, ['a', 'b'])})
    assert text.endswith('| training | 3 | 4 | 2 | 20 |')
