"""Fixtures: a checkpoint, its bundle, its export, and photographs."""

import shutil

import cv2
import numpy as np
import pytest

CONFIG = 'finetune/agw_r18-narrow_synthetic'


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory):
    """Write random weights of AGW, as a Runner would."""
    import torch

    import mmgl

    cfg = mmgl.get_config(CONFIG)
    torch.manual_seed(0)
    model = mmgl.build_model(cfg)
    # Statistics as after a training: away from 0 and 1.
    for name, value in model.named_buffers():
        if name.endswith('running_mean'):
            value.normal_(0, 0.1)
        elif name.endswith('running_var'):
            value.uniform_(0.5, 2)
    path = tmp_path_factory.mktemp('run') / 'epoch_1.pth'
    trained_on = dict(dataset='sysu', split='trainval')
    torch.save(
        dict(
            state_dict=model.state_dict(),
            meta=dict(cfg=cfg.pretty_text, trained_on=trained_on),
        ),
        path,
    )
    path.with_name('last_checkpoint').write_text(f'/elsewhere/{path.name}')
    return path


@pytest.fixture(scope='session')
def bundle(checkpoint, tmp_path_factory):
    """Publish the run."""
    from mmgl.apis.publishing import publish

    pytest.importorskip('safetensors')
    folder = tmp_path_factory.mktemp('bundles') / 'tiny-agw'
    publish(checkpoint.parent, folder, 'drawn people, free')
    return folder


@pytest.fixture(scope='session')
def embedder(bundle):
    """Open the bundle."""
    from mmgl import Embedder

    return Embedder(bundle)


@pytest.fixture(scope='session')
def exported(bundle, tmp_path_factory):
    """Export the bundle, with a calibration."""
    from mmgl.apis.exporting import export
    from mmgl.checkpoints.bundle import read_settings, write_settings

    for package in ('onnx', 'onnxruntime'):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp('exported')
    shutil.copytree(bundle, folder / 'bundle')
    known = dict(
        threshold=0.5,
        false_match_rate=0.0,
        false_non_match_rate=0.25,
        same=4,
        different=3,
        slope=10.0,
        offset=-5.0,
    )
    settings = read_settings(folder / 'bundle')
    write_settings(folder / 'bundle', dict(settings, calibration=known))
    export(folder / 'bundle', folder)
    return folder


@pytest.fixture(scope='session')
def photographs(tmp_path_factory):
    """Seven images in colour, of several sizes, in a folder of folders."""
    folder = tmp_path_factory.mktemp('photographs')
    rng = np.random.default_rng(3)
    for i in range(7):
        low = rng.integers(0, 255, (8, 4, 3), np.uint8)
        image = cv2.resize(low, (40 + 9 * i, 90 + 17 * i))
        path = folder / f'cam{i % 2}' / f'{i}.png'
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), image)
    return folder


@pytest.fixture
def quickstart_left(tmp_path, monkeypatch, checkpoint, photographs):
    """Go to a folder as the texts take it to be: a run, and photographs."""
    seed = tmp_path / 'work_dirs' / 'quickstart' / 'seed_0'
    shutil.copytree(checkpoint.parent, seed / 'finetune_mmgl')
    (seed / 'evaluate_mmgl').mkdir()
    (seed / 'evaluate_mmgl' / 'metrics.json').write_text(
        '{"metrics": {"all_single/rank1": 12.5}}'
    )
    images = sorted(photographs.rglob('*.png'))
    (tmp_path / 'day').mkdir()
    for image, name in zip(
        images, ('day/a.png', 'day/b.png', 'night.png'), strict=False
    ):
        shutil.copy(image, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
