"""Other transforms in other stages of a training."""

from collections.abc import Callable, Sequence

from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS

from .sub_pipeline import build_sub_pipeline


@TRANSFORMS.register_module()
class EpochStages(BaseTransform):
    """Run the transforms meant for the current epoch.

    The epoch comes with the draw of the sampler. Nothing is switched from
    outside, which would not reach workers that live on, and a resumed run is
    in the right stage by itself. Images asked for by a plain index, as in
    evaluation, get the last stage.

    Args:
        epochs_per_stage: Epochs of each stage, one number for all or one
            each; the last stage goes on to the end whatever its number.
        stages: One list of transforms per stage.

    Raises:
        TypeError: If a stage is not a list of transforms.
        ValueError: If there is no stage, the numbers do not fit, or one is
            below 1.

    Examples:
        >>> # Easy for ten epochs, then hard.
        >>> step = dict(
        ...     type='EpochStages',
        ...     epochs_per_stage=10,
        ...     stages=[[dict(type='JigsawTiles', grid=(2, 2),
        ...                   num_permutations=24)],
        ...             [dict(type='JigsawTiles')]])
    """

    def __init__(
        self,
        epochs_per_stage: int | Sequence[int],
        stages: Sequence[Sequence[dict | Callable]],
    ) -> None:
        name = type(self).__name__
        if not stages:
            raise ValueError(
                f'{name}.stages is empty; give one list of '
                'transforms per stage'
            )
        if isinstance(epochs_per_stage, int):
            epochs_per_stage = (epochs_per_stage,) * len(stages)
        if len(epochs_per_stage) != len(stages) or min(epochs_per_stage) < 1:
            raise ValueError(
                f'{name}.epochs_per_stage must be a positive number or '
                f'{len(stages)} of them, one per stage, got '
                f'{epochs_per_stage!r}'
            )
        self.epochs_per_stage = tuple(epochs_per_stage)
        self.stages = [
            build_sub_pipeline(f'{name}.stages.{number}', steps)
            for number, steps in enumerate(stages)
        ]

    def stage_of(self, epoch: int) -> int:
        """Number of the stage of an epoch.

        Args:
            epoch: Epoch, from 0.

        Returns:
            The stage, from 0.
        """
        end = 0
        for number, epochs in enumerate(self.epochs_per_stage):
            end += epochs
            if epoch < end:
                return number
        return len(self.stages) - 1

    def transform(self, results: dict) -> dict | None:
        """Run the transforms of the epoch's stage."""
        draw = results.get('draw')
        stage = -1 if draw is None else self.stage_of(draw.epoch)
        return self.stages[stage](results)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(epochs_per_stage='
            f'{self.epochs_per_stage}, stages={self.stages})'
        )
