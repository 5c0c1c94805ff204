"""Other transforms in other stages of a training."""

from collections.abc import Sequence

from mmgl.registry import TRANSFORMS

from ..checks import check
from ..types import Results, Steps
from .base import Transform, build_sub_pipeline


@TRANSFORMS.register_module()
class EpochStages(Transform):
    """Run the transforms meant for the current epoch.

    The epoch comes with the draw of the sampler. Nothing is switched from
    outside, which would not reach workers that live on, and a resumed run is
    in the right stage by itself. Images asked for by a plain index, as in
    evaluation, get the last stage.

    Args:
        epochs_per_stage: Epochs of each stage, one number for all or one
            each; the last stage goes on to the end whatever its number.
        stages: One list of transforms per stage.

    Example:
        >>> # Easy for ten epochs, then hard.
        >>> step = dict(
        ...     type='EpochStages',
        ...     epochs_per_stage=10,
        ...     stages=[[dict(type='JigsawTiles', grid=(2, 2),
        ...                   num_permutations=24)],
        ...             [dict(type='JigsawTiles')]])
    """

    def __init__(
        self, epochs_per_stage: int | Sequence[int], stages: Sequence[Steps]
    ) -> None:
        name = type(self).__name__
        rule = 'one list of transforms per stage'
        check(f'{name}.stages', stages, bool(stages), rule)
        if isinstance(epochs_per_stage, int):
            epochs_per_stage = (epochs_per_stage,) * len(stages)
        epochs = tuple(epochs_per_stage)
        fits = len(epochs) == len(stages) and min(epochs) > 0
        rule = f'a positive number or {len(stages)} of them, one per stage'
        check(f'{name}.epochs_per_stage', epochs, fits, rule)
        self.epochs_per_stage = epochs
        self.stages = [
            build_sub_pipeline(f'{name}.stages.{number}', steps)
            for number, steps in enumerate(stages)
        ]

    def stage_of(self, epoch: int) -> int:
        """Return the stage of an epoch, both counted from 0."""
        end = 0
        for number, epochs in enumerate(self.epochs_per_stage):
            end += epochs
            if epoch < end:
                return number
        return len(self.stages) - 1

    def transform(self, results: Results) -> Results | None:
        """Run the transforms of the epoch's stage."""
        draw = results.get('draw')
        stage = -1 if draw is None else self.stage_of(draw.epoch)
        staged: Results | None = self.stages[stage](results)
        return staged
