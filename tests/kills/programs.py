"""The programs that are killed: their commands, and what must come out."""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from running import FINETUNE, cfg_options, config, finetune_options, load

from mmgl.config.loading import load_config
from mmgl.datasets.synthetic import write_sysu
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir, tool_dir

EPOCHS, ITERS = 3, 6
# The planner at the size of the smoke run, for which it has no option.
PLAN = """
import sys
from mmgl.experiments import Options, run
sys.exit(run(Options(
    [{target!r}], smoke=True, seeds=1, only={only!r}, jobs=1, gpus=[],
    workers=0, work_dir='work', results='results', document='doc.md',
    data_root=dict(sysu='data'))))
"""


@dataclass
class Program:
    """A command, which runs in a folder, and what it must leave there."""

    command: list[Any]
    results: Callable[[Path], dict[str, Any]]


def programs(shared: Path) -> dict[str, Program]:
    """Make all programs; what they read is written once into ``shared``."""
    root = shared / 'sysu'
    write_sysu(str(root), 'tiny')
    mmgl = [sys.executable, '-m', 'mmgl.cli']
    data = ['--root', root, '--layout', 'sysu', '--out', 'out']
    size = ['--height', 96, '--width', 48, '--workers', 2]
    network = [*_narrow_nfs(shared), 'pruned.pth', '--size', 96, 48]
    train = [config(FINETUNE), '--work-dir', 'run', '--seed', 3]
    train += ['--resume', 'auto']
    train += cfg_options(finetune_options(root, EPOCHS, 0, ITERS))
    quick = ['--smoke', '--workers', 0, '--work-dir', 'work']
    quick += ['--data-root', 'data']
    return {
        'training': Program(
            [sys.executable, tool_dir() / 'train.py', *train], checkpoints
        ),
        'packing': Program([*mmgl, 'pack-dataset', *data, *size], everything),
        'sharding': Program(
            [*mmgl, 'write-shards', *data, '--images-per-shard', 4], everything
        ),
        'exporting': Program([*mmgl, 'export-pruned', *network], checkpoints),
        'planner': plan('table2', plan_results, ['agw', 'random']),
        'quickstart': Program(
            [sys.executable, tool_dir() / 'quickstart.py', *quick],
            quickstart_results,
        ),
    }


def plan(
    target: str,
    results: Callable[[Path], dict[str, Any]],
    only: Sequence[str] = (),
) -> Program:
    """Make a table or figure by the planner."""
    code = PLAN.format(target=target, only=list(only))
    return Program([sys.executable, '-c', code], results)


def _narrow_nfs(shared: Path) -> tuple[Path, Path]:
    """Save an NFS-style network whose search has ended, and its config."""
    leaf = config_dir() / 'mmgl/finetune/nfs_r18-narrow_synthetic.py'
    narrow, weights = shared / 'narrow.py', shared / 'search.pth'
    narrow.write_text(
        f'_base_ = [{str(leaf)!r}]\n'
        'model = dict(backbone=dict(base_channels=8))\n'
    )
    torch.manual_seed(0)
    with registry_scope('mmgl'):
        model = MODELS.build(load_config(str(narrow)).model)
    for cell in model.backbone.plugins.values():
        cell.channel_logit.data.uniform_(-1, 3)
        cell.set_phase('hard', 0.1)
    torch.save(dict(state_dict=model.state_dict(), meta={}), weights)
    return narrow, weights


def everything(folder: Path) -> dict[str, Any]:
    """Digest all files but locks, which name a process."""
    return {
        str(path.relative_to(folder)): digest(path.read_bytes())
        for path in folder.rglob('*')
        if path.is_file() and path.name != '.lock'
    }


def checkpoints(folder: Path) -> dict[str, Any]:
    """Digest weights and optimisers, and the pointers to the last ones."""
    found: dict[str, Any] = {}
    for path in folder.rglob('*.pth'):
        content = load(path)
        state = [content['state_dict'], content.get('optimizer')]
        found[str(path.relative_to(folder))] = digest(state)
    for path in folder.rglob('last_checkpoint'):
        found[str(path.relative_to(folder))] = Path(path.read_text()).name
    return found


def plan_results(folder: Path) -> dict[str, Any]:
    """Gather records without timings, document, tables and checkpoints."""
    found: dict[str, Any] = {'document': (folder / 'doc.md').read_text()}
    for path in (folder / 'results').rglob('*.json'):
        record = json.loads(path.read_text())
        record.pop('seconds', None)
        found[path.name] = record
    return {**found, **checkpoints(folder / 'work')}


def quickstart_results(folder: Path) -> dict[str, Any]:
    """Gather numbers, features, checkpoints and what pictures there are."""
    work = folder / 'work'
    metrics = json.loads((work / 'metrics.json').read_text())
    found = {key: metrics[key] for key in ('summary', 'per_seed', 'seeds')}
    found['report'] = (work / 'report.md').is_file()
    return {**found, **drawn(work)}


def drawn(work: Path) -> dict[str, Any]:
    """Gather features, checkpoints and what pictures there are."""
    found = {
        path.name: path.stat().st_size > 0 for path in work.rglob('*.png')
    }
    for path in work.rglob('features.npz'):
        with np.load(path) as arrays:
            found[str(path.parent.relative_to(work))] = digest(
                arrays['features']
            )
    return {**found, **checkpoints(work)}


def digest(value: Any) -> str:
    """Hash a structure of arrays, tensors and plain values."""
    return hashlib.sha256(_bytes(value)).hexdigest()


def _bytes(node: Any) -> bytes:
    if isinstance(node, dict):
        items = sorted(node.items(), key=lambda pair: str(pair[0]))
        return b''.join(str(k).encode() + _bytes(v) for k, v in items)
    if isinstance(node, list | tuple):
        return b''.join(map(_bytes, node))
    if isinstance(node, torch.Tensor):
        node = node.numpy()
    if isinstance(node, np.ndarray):
        return f'{node.dtype}{node.shape}'.encode() + node.tobytes()
    return node if isinstance(node, bytes) else repr(node).encode()
