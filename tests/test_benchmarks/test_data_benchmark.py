import builtins
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[2] / 'benchmarks'


@pytest.mark.slow
def test_data_loading(tmp_path, monkeypatch, capsys):
    """Loads the images some twenty times: ten seconds with the imports."""
    monkeypatch.syspath_prepend(str(FOLDER))
    tool = runpy.run_path(str(FOLDER / 'data_loading.py'))
    out = tmp_path / 'data.json'
    result = tool['main'](
        [
            '--images',
            '10',
            '--augmix-images',
            '4',
            '--repeats',
            '1',
            '--out',
            str(out),
        ]
    )
    assert json.loads(out.read_text())['title'] == result['title']
    figures = {f['name']: f for f in result['figures']}
    for kind in ('fine-tuning', 'pre-training'):
        for source, target in (('JPEG files', (2.2, 3)), ('packed', (5, 5))):
            one = figures[f'{kind}, {source}, against PIL + torchvision']
            assert one['target'] == target[kind == 'pre-training']
            # Ten images once are no measurement, but no slower than PIL.
            assert one['value'] > 1 and one['at_least']
    assert figures['AugMix by mmgl, uint8 arrays']['value'] > 0
    assert 'verdict' in capsys.readouterr().out


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def test_workers_together_and_the_device(tools, monkeypatch):
    """On a few images; the processor stands in for the device."""
    import data_loading
    import data_workers

    monkeypatch.setattr(data_workers, 'BATCH', 4)
    monkeypatch.setattr(data_workers, 'TURNS', 1)
    found = data_loading.main(
        [
            '--images',
            '10',
            '--augmix-images',
            '2',
            '--repeats',
            '1',
            '--workers',
            '1',
            '--device',
            'cpu:0',
            '--by',
            'torchvision',
        ]
    )
    values = {one['name']: one for one in found['figures']}
    for kind in ('fine-tuning', 'pre-training'):
        for source in ('JPEG files', 'packed'):
            one = values[f'{kind}, {source}, 1 workers']
            assert one['value'] > 0 and one['verdict'] == '-'
    assert (
        'cores for 3000'
        in values['AugMix + erasing by mmgl, one worker']['note']
    )
    assert sum('torchvision v2' in name for name in values) == 2


def test_only_sixteen_cores_have_the_target(tools, monkeypatch):
    import data_workers

    monkeypatch.setattr(data_workers, 'DataLoader', lambda *_, **__: [])
    monkeypatch.setattr(data_workers, 'time_loaded', lambda *_: 96 / 3200)

    def target(workers, cores):
        monkeypatch.setattr(data_workers, 'usable_cores', lambda: cores)
        (figure,) = data_workers.measure_workers(
            'fine-tuning', dict(packed=range(5)), workers
        )
        assert figure.value == pytest.approx(3200)
        return figure.target

    assert target(16, 16) == target(16, 64) == 3000
    assert target(16, 2) is None and target(4, 16) is None


def test_batches_go_on(tools, monkeypatch):
    import data_workers

    monkeypatch.setattr(data_workers, 'BATCH', 4)
    batches = list(data_workers.Batches(3, 2))
    assert [[one.index for one in batch] for batch in batches] == [
        [0, 1, 2, 0],
        [1, 2, 0, 1],
    ]
    assert len({one.position for batch in batches for one in batch}) == 8


def test_kornia_is_named_before_any_work(tools, monkeypatch):
    import data_loading

    monkeypatch.setattr(data_loading, 'write_images', None)
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == 'kornia':
            raise ImportError
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ImportError, match='pip install kornia.*--by torch'):
        data_loading.main(['--device', 'cuda'])


def test_batched_augmix_against_a_loop(tools, monkeypatch):
    """Each image goes through its own chains, and no other one's."""
    import kornia_augmix

    monkeypatch.setattr(
        kornia_augmix,
        'kornia_operations',
        lambda: [
            lambda images, s: images * 2 + s[:, None, None, None],
            lambda images, s: images**2,
            lambda images, s: 1 - images,
        ],
    )
    augment = kornia_augmix.KorniaAugMix(seed=3)
    drawn = []
    draw = augment._draw_operations
    monkeypatch.setattr(
        augment,
        '_draw_operations',
        lambda size: drawn.append(draw(size)) or drawn[0],
    )
    batch = torch.rand(7, 3, 4, 2)
    before = batch.clone()
    found = augment(batch)
    assert torch.equal(batch, before)
    order, groups = drawn[0]
    rng = np.random.default_rng(3)
    share, each = rng.beta(1, 1, 7), rng.dirichlet([1] * 3, 7)
    strength = rng.uniform(0.1, 3, (3, 3, 7)) / 10
    strength *= rng.choice([-1, 1], strength.shape)
    used = np.zeros((3, 7), dtype=int)
    for n, image in enumerate(batch.double()):
        expected = (1 - share[n]) * image
        for chain in range(3):
            one = image
            for step in range(3):
                for number, start, stop in groups[chain][step]:
                    if n in order[chain, step, start:stop]:
                        used[chain, n] += 1
                        s = strength[chain, step, n]
                        one = (2 * one + s, one**2, 1 - one)[number]
            expected = expected + share[n] * each[n, chain] * one
        assert torch.allclose(found[n].double(), expected, atol=1e-5)
    assert used.min() >= 1 and used.max() == 3 and len(set(used.flat)) > 1
