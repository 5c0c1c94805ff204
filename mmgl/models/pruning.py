"""Prune a model whose feature search has ended, save it and load it."""

import copy
from pathlib import Path

import torch
from torch import nn

from mmgl.registry import MODELS
from mmgl.utils.files import replace_whole

from .functional.feature_search import HARD
from .pruned_backbone import PrunedBackbone, channel_subsets, search_cells


def prune_model(model: nn.Module) -> nn.Module:
    """Copy a model with hard search cells without closed channels.

    Args:
        model: A ``ReIDModel``; it is not changed.

    Returns:
        A model in evaluation mode with a :class:`PrunedBackbone` and
        without heads; use and results are those of the given one.

    Raises:
        ValueError: If the cells are missing or not in the phase 'hard', or
            the backbone cannot be pruned.
    """
    cells = search_cells(model.backbone)
    if not cells or any(int(cell.phase) != HARD for cell in cells.values()):
        raise ValueError(
            'only a network whose search has ended can be pruned: train past '
            'search_end of SearchPhaseHook and take a later checkpoint'
        )
    return _replace_backbone(model, PrunedBackbone(model.backbone))


def save_pruned(model: nn.Module, cfg: dict, path: str | Path) -> nn.Module:
    """Prune a model and write it to a file of plain values and tensors.

    Args:
        model: A ``ReIDModel`` with hard search cells.
        cfg: Config of the model.
        path: File to write; replaced in one step.

    Returns:
        The pruned model.
    """
    pruned = prune_model(model).cpu()
    cfg = {**cfg, 'heads': None, 'init_from': None}
    with replace_whole(path) as partial:
        torch.save(
            dict(
                model=cfg,
                subsets=channel_subsets(model.backbone),
                state_dict=pruned.state_dict(),
            ),
            partial,
        )
    return pruned


def load_pruned(path: str | Path) -> nn.Module:
    """Build the model of a file of :func:`save_pruned`.

    Args:
        path: The file.

    Returns:
        The pruned model in evaluation mode, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another kind.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'pruned model: there is no file {path}')
    content = torch.load(path, map_location='cpu', weights_only=True)
    missing = {'model', 'subsets', 'state_dict'} - set(content)
    if missing:
        raise ValueError(
            f'{path} is no pruned model, it lacks '
            f'{sorted(missing)}; write one by '
            'tools/model_converters/export_pruned_nfs.py'
        )
    model = MODELS.build(content['model'])
    pruned = _replace_backbone(
        model, PrunedBackbone(model.backbone, content['subsets'])
    )
    pruned.load_state_dict(content['state_dict'])
    return pruned


def _replace_backbone(model: nn.Module, backbone: nn.Module) -> nn.Module:
    """Copy a model with another backbone and without heads."""
    model = copy.deepcopy(model)
    model.backbone = backbone
    model.heads = nn.ModuleDict()
    return model.eval()
