"""A look at whether images are of the modality that they are given as."""

import warnings

import cv2

from mmgl.protocols.modality import INFRARED, MODALITY_NAMES

from .sources import Picture, Source

# Mean difference of the channels, in grey levels, of an image with colours.
_COLOURED = 8.0


class Glance:
    """Warns once for each modality that looks like the other one."""

    def __init__(self) -> None:
        self.warned: set[int] = set()

    def check(self, source: Source, image: Picture) -> None:
        """Look at the colours of a prepared picture."""
        if source.modality in self.warned:
            return
        planes = cv2.split(image)
        difference = sum(
            cv2.norm(planes[i], planes[i - 1], cv2.NORM_L1) for i in range(3)
        )
        grey = difference == 0
        coloured = difference > _COLOURED * image.size
        wrong = coloured if source.modality == INFRARED else grey
        if wrong:
            self.warned.add(source.modality)
            what = 'has colours' if coloured else 'has no colour'
            warnings.warn(
                f'{source.name} was given as {MODALITY_NAMES[source.modality]}'
                f' but {what}; features are only right with the modality of '
                'the camera',
                stacklevel=2,
            )
