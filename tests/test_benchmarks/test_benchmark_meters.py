"""What the benchmarks read off a device and a loader, without a GPU."""

import warnings

import pytest
import torch


@pytest.fixture
def meters():
    import meters

    return meters


class Loader:
    """Batches that take a second each, but for those made ahead."""

    def __init__(self, ahead):
        self.now, self.ahead = 0.0, ahead

    def __iter__(self):
        for number in range(100):
            if number >= self.ahead:
                self.now += 1
            yield number


def test_what_was_prepared_ahead_is_not_timed(meters):
    loader, used = Loader(ahead=8), []
    seconds = meters.time_loaded(
        loader, used.append, 9, 20, lambda: loader.now
    )
    assert seconds == 1 and used == list(range(29))
    loader = Loader(ahead=8)
    assert (
        meters.time_loaded(loader, used.append, 2, 20, lambda: loader.now) < 1
    )
    assert meters.batches_in_flight(16) == 32


def test_processor_tells_neither_memory_nor_waits(meters):
    called = []
    assert meters.with_peak(lambda: 'result', 'cpu') == ('result', None)
    assert meters.count_waits(lambda: called.append(1), 'cpu') is None
    assert not called
    assert meters.clock('cpu')() > 0


def test_countdown(meters, monkeypatch):
    now = [5.0]
    monkeypatch.setattr(meters.time, 'monotonic', lambda: now[0])
    left = meters.countdown(10)
    now[0] = 8
    assert left() == 7


def test_peak_memory(meters, monkeypatch):
    calls = []
    for name in ('empty_cache', 'reset_peak_memory_stats', 'synchronize'):
        monkeypatch.setattr(
            torch.cuda, name, lambda *_, name=name: calls.append(name)
        )
    monkeypatch.setattr(
        torch.cuda, 'max_memory_allocated', lambda device: 3 * 2**29
    )
    found = meters.with_peak(lambda: calls.append('work') or 7, 'cuda')
    assert found == (7, 1.5)
    assert calls == [
        'empty_cache',
        'reset_peak_memory_stats',
        'work',
        'synchronize',
    ]


def test_waits_of_one_call(meters, monkeypatch):
    modes = []
    monkeypatch.setattr(torch.cuda, 'set_sync_debug_mode', modes.append)

    def step():
        if modes == ['warn']:
            for _ in range(3):
                warnings.warn('called a synchronizing CUDA operation')
            warnings.warn('something else')

    assert meters.count_waits(step, 'cuda:1') == 3
    assert modes == ['warn', 'default']
