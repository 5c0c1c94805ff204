"""A model for images of one modality, without the choice between stems."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from mmgl.structures import MODALITY_NAMES

from .backbones.any_backbone import AnyBackbone
from .backbones.base_resnet import BaseReIDResNet
from .pruned_backbone import PrunedBackbone


def for_one_modality(model: Any, modality: int) -> Any:
    """Copy a model whose backbone takes all images to be of one modality.

    Which images go through which stem depends on data, which tracing and
    export cannot follow. Heads are left out.
    """
    heads, model.heads = model.heads, nn.ModuleDict()
    try:
        single = copy.deepcopy(model)
    finally:
        model.heads = heads
    for module in single.modules():
        if isinstance(module, BaseReIDResNet):
            stems = module.stems()
            stem = stems[min(modality, len(stems) - 1)]
            module.forward_stem = partial(_only, stem)  # type: ignore[method-assign]
        elif isinstance(module, AnyBackbone):
            module.use_only(modality)
        elif isinstance(module, PrunedBackbone):
            stream = module.get_submodule(MODALITY_NAMES[modality])
            module.forward = partial(_only, stream)  # type: ignore[method-assign]
    return single


def _only(part: Callable[[Tensor], Tensor], x: Tensor, _: Tensor) -> Tensor:
    return part(x)
