"""Good input, which attacks damage; made once a campaign."""

import contextlib
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image

AGW, NFS, GOOD = 'agw.py', 'nfs.py', 'agw.pth'
# Entrances that take another file than that.
OTHERS = {
    'export-pruned': 'nfs.pth',
    'load_pruned': 'pruned.pth',
    'convert': 'resnet.pth',
}
LEAVES = {
    AGW: 'mmgl/finetune/agw_r18-narrow_synthetic.py',
    NFS: 'mmgl/finetune/nfs_r18-narrow_synthetic.py',
}


def build(base: Path) -> None:
    """Write data sets, configs, checkpoints, features and stores."""
    from mmgl.datasets.synthetic import write_regdb, write_sysu

    write_sysu(str(base / 'sysu'), 'tiny')
    write_regdb(str(base / 'regdb'), 'tiny')
    _configs(base)
    _checkpoints(base)
    _features(base)
    _stores(base)
    _deployed(base)


def _configs(base: Path) -> None:
    from running import finetune_options

    from mmgl.config.loading import load_config

    for name, leaf in LEAVES.items():
        cfg = load_config(leaf)
        cfg.merge_from_dict(finetune_options(str(base / 'sysu'), iters=1))
        cfg.dump(base / name)


def _checkpoints(base: Path) -> None:
    from mmgl.apis.models import build_model
    from mmgl.cli import main
    from mmgl.models.backbones import OneStreamResNet

    main(['train', str(base / AGW), '--work-dir', str(base / 'run')])
    shutil.copy(base / 'run/epoch_1.pth', base / GOOD)
    model = build_model(base / NFS)
    for cell in model.backbone.plugins.values():
        cell.set_phase('hard', 0.1)
    _save(base / 'nfs.pth', model.state_dict())
    given = [str(base / name) for name in (NFS, 'nfs.pth', 'pruned.pth')]
    main(['export-pruned', *given, '--size', '96', '48'])
    resnet = OneStreamResNet(depth=18, base_channels=8).state_dict()
    _save(base / 'resnet.pth', {f'backbone.{k}': v for k, v in resnet.items()})


def _save(path: Path, state: dict) -> None:
    torch.save(dict(meta={}, state_dict=state), path)


def _features(base: Path) -> None:
    """A small SYSU-MM01, its features as .npz and .mat; one trial of RegDB."""
    from matlab_like import as_arrays, random_cells, write_cameras, write_cells
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    sizes = dict(ids=6, least=10, most=11, absent=0, number_of_ids=6)
    cells, permutations, ids = random_cells(rng, **sizes)
    (base / 'protocol').mkdir()
    exp = base / 'protocol/exp'
    exp.mkdir()
    rows = [[permutations[c][pid] for pid in ids] for c in range(1, 7)]
    write_cells(exp / 'rand_perm_cam.mat', rows)
    savemat(exp / 'test_id.mat', dict(id=np.array([ids])))
    (base / 'mat').mkdir()
    write_cameras(base / 'mat', cells, len(ids))
    names = 'features', 'pids', 'camids', 'modality', 'index'
    sysu = dict(zip(names, as_arrays(cells, ids), strict=True))
    np.savez(base / 'sysu.npz', **sysu)
    pids = np.tile(np.arange(5).repeat(4), 2)
    modality = np.arange(40) // 20
    features = rng.normal(size=(40, 4)) + pids[:, None]
    index = np.tile(np.arange(1, 5), 10)
    regdb = features, pids, modality + 1, modality, index
    regdb = dict(zip(names, regdb, strict=True))
    np.savez(base / 'regdb.npz', **regdb, trial=1)


def _stores(base: Path) -> None:
    """Shards, a pack and an index of a gallery, where they can be made."""
    from mmgl.datasets import SYSUMM01
    from mmgl.datasets.pack_writer import write_pack

    images = SYSUMM01(str(base / 'sysu'), 'train', lazy_init=False)
    paths = [images.get_data_info(n)['img_path'] for n in range(len(images))]
    write_pack(str(base / 'sysu'), paths, str(base / 'pack'), 96, 48)
    with contextlib.suppress(ImportError):
        from mmgl.datasets.shards import write_shards

        write_shards(images, str(base / 'shards'), images_per_shard=10)
    with contextlib.suppress(ImportError):
        from mmgl.gallery.index import GalleryIndex

        rng = np.random.default_rng(0)
        index = GalleryIndex(8).add(rng.normal(size=(50, 8)))
        index.save(base / 'gallery.index')


def _deployed(base: Path) -> None:
    """A bundle, its export, a photograph, and two galleries."""
    import mmgl
    from mmgl.apis.publishing import publish
    from mmgl.gallery.gallery import Gallery

    publish(base / 'run', base / 'bundle', 'drawn people, free')
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (90, 40, 3), dtype=np.uint8)
    Image.fromarray(picture).save(base / 'person.png')
    if find_spec('onnx') and find_spec('onnxruntime'):
        from mmgl.apis.exporting import export

        export(base / 'bundle', base / 'exported')
    embedder = mmgl.Embedder(base / 'bundle')
    row = embedder.embed(base / 'person.png', 'visible')
    known = [
        dict(person=f'p{i // 3}', camera=str(i % 3), time=float(i))
        for i in range(30)
    ]
    for name, rows, model in (
        ('people.db', rng.normal(size=(30, 8)), None),
        ('served.db', row, embedder.model_hash),
    ):
        with Gallery.open(base / name, model) as gallery:
            names = [f'cam{i % 3}/{i}.png' for i in range(len(rows))]
            gallery.upsert(rows, names, known[: len(rows)])
