"""Different transforms for visible and infrared images."""

from collections.abc import Callable, Sequence

from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS
from mmgl.structures import INFRARED, VISIBLE

from .sub_pipeline import build_sub_pipeline


@TRANSFORMS.register_module()
class ModalityTransform(BaseTransform):
    """Run the transforms meant for the modality of the image.

    Required key: ``modality``, and those of the transforms.

    Args:
        visible: Transforms of visible images; an empty list changes nothing,
            None leaves the image out, which only makes sense inside
            :class:`Views`: the image then has one view less.
        infrared: Those of infrared images, likewise.

    Raises:
        TypeError: If an argument is not a list of transforms.

    Examples:
        >>> step = dict(
        ...     type='ModalityTransform',
        ...     visible=[dict(type='RandomGrayscale', keep_channels=True)])
    """

    def __init__(
        self,
        visible: Sequence[dict | Callable] | None = (),
        infrared: Sequence[dict | Callable] | None = (),
    ) -> None:
        name = type(self).__name__
        self.pipelines = {
            modality: None
            if steps is None
            else build_sub_pipeline(f'{name}.{key}', steps)
            for modality, key, steps in (
                (VISIBLE, 'visible', visible),
                (INFRARED, 'infrared', infrared),
            )
        }

    def transform(self, results: dict) -> dict | None:
        """Run the transforms of the image's modality."""
        pipeline = self.pipelines[results['modality']]
        return None if pipeline is None else pipeline(results)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(visible={self.pipelines[VISIBLE]}, '
            f'infrared={self.pipelines[INFRARED]})'
        )
