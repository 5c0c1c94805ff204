"""The programs that are killed: their commands, and what must come out."""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from running import (
    FINETUNE,
    cfg_options,
    config,
    finetune_options,
    load,
    pretrain_options,
)

from mmgl.config.loading import load_config
from mmgl.datasets.synthetic import write_sysu
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir, tool_dir

EPOCHS, ITERS = 3, 6
# The planner at the size of the smoke run, which has no option for it.
PLAN = """
import sys
from pathlib import Path
from mmgl.experiments import Options, run
sys.exit(run(Options(
    ['table2'], smoke=True, seeds=1, only=['agw'], jobs=1, gpus=[], workers=0,
    work_dir=Path('work'), results=Path('results'), document=Path('doc.md'),
    data_root=dict(sysu=Path('data')), overrides={})))
"""


def digest(path: Path) -> str:
    """Hash a file: arrays and tensors by value, others by their bytes."""
    if path.suffix == '.pth':
        content = load(path)
        state = [content['state_dict'], content.get('optimizer')]
        return hashlib.sha256(_bytes(state)).hexdigest()
    if path.suffix == '.npz':
        with np.load(path) as arrays:
            found = {key: arrays[key] for key in arrays.files}
        return hashlib.sha256(_bytes(found)).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _bytes(node: Any) -> bytes:
    if isinstance(node, dict):
        items = sorted(node.items(), key=lambda pair: str(pair[0]))
        return b''.join(str(k).encode() + _bytes(v) for k, v in items)
    if isinstance(node, list | tuple):
        return b''.join(map(_bytes, node))
    if isinstance(node, torch.Tensor):
        node = node.contiguous().numpy()
    if isinstance(node, np.ndarray):
        return f'{node.dtype}{node.shape}'.encode() + node.tobytes()
    return repr(node).encode()


def checkpoints(folder: Path) -> dict[str, Any]:
    """Digest all checkpoints, and the pointer to the last one."""
    found = {
        str(path.relative_to(folder)): digest(path)
        for path in folder.rglob('*.pth')
    }
    for path in folder.rglob('last_checkpoint'):
        found[str(path.relative_to(folder))] = Path(path.read_text()).name
    return found


def everything(folder: Path) -> dict[str, Any]:
    """Digest all files."""
    return {
        str(path.relative_to(folder)): digest(path)
        for path in folder.rglob('*')
        if path.is_file()
    }


def quickstart_results(folder: Path) -> dict[str, Any]:
    """Gather numbers, features, checkpoints and the names of pictures."""
    metrics = json.loads((folder / 'work/metrics.json').read_text())
    found = {key: metrics[key] for key in ('summary', 'per_seed', 'seeds')}
    found['report'] = (folder / 'work/report.md').is_file()
    for path in (folder / 'work').rglob('*.png'):
        found[path.name] = path.stat().st_size > 0
    for path in (folder / 'work').rglob('features.npz'):
        with np.load(path) as arrays:
            found[str(path.relative_to(folder))] = digest_of(
                arrays['features']
            )
    return {**found, **checkpoints(folder / 'work')}


def digest_of(value: Any) -> str:
    """Hash a value."""
    return hashlib.sha256(_bytes(value)).hexdigest()


def plan_results(folder: Path) -> dict[str, Any]:
    """Gather records without timings, document, tables and checkpoints."""
    found: dict[str, Any] = {'document': (folder / 'doc.md').read_text()}
    for path in (folder / 'results').rglob('*.json'):
        record = json.loads(path.read_text())
        for key in ('seconds', 'threads'):
            record.pop(key, None)
        found[path.name] = record
    return {**found, **checkpoints(folder / 'work')}


@dataclass
class Program:
    """A command, which runs in a folder, and what it must leave there."""

    command: Callable[[], list[Any]]
    results: Callable[[Path], dict[str, Any]]


def tool(name: str, *words: Any) -> list[Any]:
    """Make the command line of a tool."""
    return [sys.executable, tool_dir() / name, *words]


def programs(shared: Path) -> dict[str, Program]:
    """Make all programs; their data are written once into ``shared``."""
    root, pruned = shared / 'sysu', shared / 'search.pth'
    if not root.exists():
        write_sysu(str(root), 'tiny')
    nfs = _narrow_nfs(pruned)
    mmgl = [sys.executable, '-m', 'mmgl.cli']
    data = ['--root', root, '--layout', 'sysu', '--out', 'out']
    leaves = dict(pretrain=pretrain_options, finetune=finetune_options)
    options = leaves['finetune'](root, EPOCHS, 0, ITERS)
    train = ['--work-dir', 'run', '--seed', 3, '--resume', 'auto']
    train += cfg_options(options)
    quick = ['--smoke', '--workers', 0, '--work-dir', 'work']
    quick += ['--data-root', 'data']
    small = ['--height', 96, '--width', 48, '--workers', 2]
    return {
        'training': Program(
            lambda: tool('train.py', config(FINETUNE), *train), checkpoints
        ),
        'packing': Program(
            lambda: [*mmgl, 'pack-dataset', *data, *small], everything
        ),
        'sharding': Program(
            lambda: [*mmgl, 'write-shards', *data, '--images-per-shard', 4],
            everything,
        ),
        'exporting': Program(
            lambda: [
                *mmgl,
                'export-pruned',
                nfs,
                pruned,
                'pruned.pth',
                *('--size', 96, 48),
            ],
            checkpoints,
        ),
        'planner': Program(lambda: [sys.executable, '-c', PLAN], plan_results),
        'quickstart': Program(
            lambda: tool('quickstart.py', *quick), quickstart_results
        ),
    }


def _narrow_nfs(path: Path) -> Path:
    """Save an NFS-style network whose search has ended; gives its config."""
    leaf = config_dir() / 'mmgl/finetune/nfs_r18-narrow_synthetic.py'
    narrow = path.with_name('narrow.py')
    narrow.write_text(
        f'_base_ = [{str(leaf)!r}]\n'
        'model = dict(backbone=dict(base_channels=8))\n'
    )
    if not path.exists():
        torch.manual_seed(0)
        with registry_scope('mmgl'):
            model = MODELS.build(load_config(str(narrow)).model)
        for cell in model.backbone.plugins.values():
            cell.channel_logit.data.uniform_(-1, 3)
            cell.set_phase('hard', 0.1)
        torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return narrow
