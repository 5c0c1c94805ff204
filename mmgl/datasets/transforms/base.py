"""What the transforms of this package share."""

from mmcv.transforms import BaseTransform

from mmgl.utils.errors import ConfigError

from ..types import Image


class Transform(BaseTransform):  # type: ignore[misc]
    """A transform that shows its public attributes, which are arguments."""

    def __repr__(self) -> str:
        shown = ', '.join(
            f'{name}={value!r}'
            for name, value in vars(self).items()
            if not name.startswith('_')
        )
        return f'{type(self).__name__}({shown})'


def check_image(
    owner: str, img: Image, *, kinds: tuple[str, ...] = ('uint8', 'float32')
) -> None:
    """Raise ValueError for what is no image ``(H, W, 3)`` in grey levels."""
    if img.dtype not in kinds or img.ndim != 3 or img.shape[2] != 3:
        raise ConfigError(
            f'{owner} needs a {" or ".join(kinds)} image of shape (H, W, 3) '
            f'in grey levels, not normalised; got {img.dtype} {img.shape}'
        )
