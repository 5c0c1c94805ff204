"""Prune a model whose feature search has ended, save it and load it."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmgl.checkpoints.provenance import MODEL_KEY, kept_meta, seen_by
from mmgl.checkpoints.reader import read_file
from mmgl.checkpoints.whole import load_state
from mmgl.utils.errors import understood
from mmgl.utils.files import replace_whole

from .building import build_inert
from .functional.feature_search import HARD
from .pruned_backbone import PrunedBackbone, channel_subsets, search_cells


def prune_model(model: Any) -> Any:
    """Copy a ``ReIDModel`` with hard search cells without closed channels.

    The copy has a :class:`PrunedBackbone` and no heads and the same results.
    A ValueError without cells in the phase 'hard', or if the backbone cannot
    be pruned.
    """
    cells = search_cells(model.backbone)
    if not cells or any(int(cell.phase) != HARD for cell in cells.values()):
        raise ValueError(
            'only a network whose search has ended can be pruned: train past '
            'search_end of SearchPhaseHook and take a later checkpoint'
        )
    return _replace_backbone(model, PrunedBackbone(model.backbone))


def save_pruned(model: Any, cfg: Mapping[str, Any], path: str | Path) -> Any:
    """Prune a model of a config and write it to a file of plain values."""
    pruned = prune_model(model).cpu()
    content = dict(
        model={**cfg, 'heads': None, 'init_from': None},
        subsets=channel_subsets(model.backbone),
        state_dict=pruned.state_dict(),
        meta=kept_meta(model),
    )
    with replace_whole(path) as partial:
        torch.save(content, partial)
    return pruned


def load_pruned(path: str | Path) -> Any:
    """Build the model of a file of :func:`save_pruned`, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another kind.
    """
    content = read_file(path, 'pruned model')
    found = set(content) if isinstance(content, dict) else set()
    missing = {'model', 'subsets', 'state_dict'} - found
    if missing:
        raise ValueError(
            f'{path} is no pruned model, it lacks '
            f'{sorted(missing)}; write one by '
            'tools/model_converters/export_pruned_nfs.py'
        )
    model = build_inert(content['model'], f'pruned model {path}')
    with understood(f'pruned model {path}'):
        backbone = PrunedBackbone(model.backbone, content['subsets'])
        pruned = _replace_backbone(model, backbone)
    load_state(pruned, content['state_dict'], path, ())
    vars(pruned)[MODEL_KEY] = seen_by(content.get('meta') or {})
    return pruned


def _replace_backbone(model: Any, backbone: nn.Module) -> Any:
    """Copy a model with another backbone and without heads."""
    model = copy.deepcopy(model)
    model.backbone = backbone
    model.heads = nn.ModuleDict()
    return model.eval()
