"""Different transforms for visible and infrared images."""

from mmgl.registry import TRANSFORMS
from mmgl.structures import MODALITY_NAMES, VISIBLE

from ..types import Results, Steps
from .base import Transform, build_sub_pipeline


@TRANSFORMS.register_module()
class ModalityTransform(Transform):
    """Run the transforms meant for the modality of the image.

    Required key: ``modality``, and those of the transforms.

    Args:
        visible: Transforms of visible images; an empty list changes nothing,
            None leaves the image out, which only makes sense inside
            :class:`Views`: the image then has one view less.
        infrared: Those of infrared images, likewise.

    Example:
        >>> step = dict(
        ...     type='ModalityTransform',
        ...     visible=[dict(type='RandomGrayscale', keep_channels=True)])
    """

    def __init__(
        self, visible: Steps | None = (), infrared: Steps | None = ()
    ) -> None:
        name = type(self).__name__
        self.visible, self.infrared = (
            None
            if steps is None
            else build_sub_pipeline(f'{name}.{key}', steps)
            for key, steps in zip(
                MODALITY_NAMES, (visible, infrared), strict=True
            )
        )

    def transform(self, results: Results) -> Results | None:
        """Run the transforms of the image's modality."""
        visible = results['modality'] == VISIBLE
        pipeline = self.visible if visible else self.infrared
        return None if pipeline is None else pipeline(results)
