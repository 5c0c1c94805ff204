"""How far the features of a pre-training are from collapse."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmgl.engine.bare_model import bare_backbone, bare_model
from mmgl.models.functional.monitors import (
    modality_gap,
    within_modality_spread,
)
from mmgl.registry import HOOKS
from mmgl.utils.checks import require

from .divergence import collapse_verdict, stop_run


@HOOKS.register_module()
class FeatureSpreadHook(Hook):  # type: ignore[misc]
    """Log the spread of features within each modality; stop at a collapse.

    A method without negatives can reach the best of its loss with one and
    the same vector for all images, or, with a stem for each modality, for all
    of a modality; over the whole batch the latter looks healthy. So the
    spread is taken within each modality and the smaller one counts: 1 for
    features in all directions, 0 for collapsed ones. It is logged as
    ``MODULE/spread``, of pooled feature maps and of vectors, and beside it
    the ``modality_gap`` of the first module.

    Features count as collapsed when the median spread of an epoch's
    iterations, be it of the backbone or of what the loss sees, is below
    ``min_spread`` in ``patience`` epochs in a row or in the last one; the
    run then ends as for ``DivergenceHook``. 0.01 means that two images of a
    modality have a cosine of 0.99 on average: a constant gets the loss of
    SimSiam or BYOL within 1 % of its best without a look at the images. The
    backbones of this package start at 0.04 to 0.2, projections, which have
    a batch norm inside, above 0.4. 0 never stops a run.

    The ``backbone`` must take images with the modality as fourth channel, or
    images and modality. Of ``modules`` those that the model has not are left
    out; rows of their output must be those of its last calls.
    """

    # After RuntimeInfoHook, before CheckpointHook (VERY_LOW).
    priority = 'NORMAL'

    def __init__(
        self,
        modules: Sequence[str] = ('backbone', 'neck'),
        min_spread: float = 0.01,
        patience: int = 3,
    ) -> None:
        good = 0 <= min_spread < 1
        require(self, good, '0 <= min_spread < 1', min_spread)
        require(self, patience >= 1, 'patience >= 1', patience)
        self.modules = tuple(modules)
        self.min_spread = min_spread
        self.patience = patience
        # Of an iteration.
        self._modalities: list[Tensor] = []
        self._spreads: dict[str, Tensor] = {}
        self._gap: Tensor | None = None
        # Spreads of an epoch, and epochs in a row with low ones.
        self._epoch: dict[str, list[Tensor]] = {}
        self._low = 0

    def before_train(self, runner: Runner) -> None:
        """Listen to the parts of the model."""
        model = bare_model(runner)
        backbone = bare_backbone(runner, self)
        self._low = 0
        self._handles = [backbone.register_forward_pre_hook(self._read)]
        for name in self.modules:
            part = getattr(model, name, None)
            if isinstance(part, nn.Module):
                measure = partial(self._measure, name)
                self._handles.append(part.register_forward_hook(measure))

    def before_train_epoch(self, runner: Runner) -> None:
        """Forget the epoch before."""
        self._epoch.clear()

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Forget the iteration before."""
        self._modalities.clear()
        self._spreads.clear()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, **_: object
    ) -> None:
        """Log the spreads, and judge them at the end of an epoch."""
        if self._gap is not None:
            runner.message_hub.update_scalar('train/modality_gap', self._gap)
        for name, spread in self._spreads.items():
            runner.message_hub.update_scalar(f'train/{name}', spread)
            self._epoch.setdefault(name, []).append(spread)
        if self.end_of_epoch(runner.train_dataloader, batch_idx):
            self._judge(runner)

    def after_train(self, runner: Runner) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()

    def _judge(self, runner: Runner) -> None:
        """Stop the run if the epochs that have just ended are too low."""
        medians = {}
        for name, values in self._epoch.items():
            median = torch.stack(values).median()
            # All ranks must come to the same verdict.
            all_reduce(median, 'mean')
            medians[name] = float(median)
        verdict = collapse_verdict(medians, self.min_spread)
        self._low = self._low + 1 if verdict else 0
        last = runner.iter + 1 >= runner.max_iters
        if self._low >= self.patience or last:
            since = runner.epoch + 1 - self._low
            stop_run(runner, verdict, medians, since)

    def _read(self, module: nn.Module, args: Sequence[Tensor]) -> None:
        """Keep the modality of the images on their way in."""
        if module.training:
            modality = args[1] if len(args) > 1 else args[0][:, 3, 0, 0] > 0.5
            self._modalities.append(modality.detach())

    @torch.no_grad()
    def _measure(
        self, name: str, module: nn.Module, args: object, output: Any
    ) -> None:
        """Measure the output of a part; the last one of a step counts."""
        if not module.training or not self._modalities:
            return
        features = output[0] if isinstance(output, list | tuple) else output
        if features.ndim > 2:
            features = features.flatten(2).mean(2)
        modality = torch.cat(self._modalities).to(features.device)
        modality = modality[-len(features) :].long()
        spread = within_modality_spread(features, modality)
        self._spreads[f'{name}/spread'] = spread
        if name == self.modules[0]:
            self._gap = modality_gap(features, modality)
