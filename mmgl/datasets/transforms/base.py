"""What the transforms of this package share."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform, Compose

from ..reid_dataset import build_pipeline
from ..types import Image, Results, Steps


class Transform(BaseTransform):  # type: ignore[misc]
    """A transform that shows its public attributes, which are arguments."""

    def __repr__(self) -> str:
        shown = ', '.join(
            f'{name}={value!r}'
            for name, value in vars(self).items()
            if not name.startswith('_')
        )
        return f'{type(self).__name__}({shown})'


def build_sub_pipeline(owner: str, steps: Steps) -> Compose:
    """Build transforms that run one after the other, until one returns None.

    ``owner`` names class and argument in the TypeError for what is no list.
    """
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        raise TypeError(f'{owner} must be a list of transforms, got {steps!r}')
    return Compose(build_pipeline(steps))


def check_image(
    owner: str, img: Image, *, kinds: tuple[str, ...] = ('uint8', 'float32')
) -> None:
    """Raise ValueError for what is no image ``(H, W, 3)`` in grey levels."""
    if img.dtype not in kinds or img.ndim != 3 or img.shape[2] != 3:
        raise ValueError(
            f'{owner} needs a {" or ".join(kinds)} image of shape (H, W, 3) '
            f'in grey levels, not normalised; got {img.dtype} {img.shape}'
        )


def resized(img: Image, old_shape: Sequence[int]) -> Results:
    """Return the keys that mmcv's ``Resize`` sets, for an image it was."""
    height, width = img.shape[:2]
    return dict(
        img=img,
        img_shape=(height, width),
        scale=(width, height),
        scale_factor=(width / old_shape[1], height / old_shape[0]),
        keep_ratio=False,
    )
