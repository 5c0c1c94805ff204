"""Building the pipelines inside a transform."""

from collections.abc import Callable, Sequence

from mmcv.transforms import Compose

from ..reid_dataset import build_pipeline


def build_sub_pipeline(
    owner: str, steps: Sequence[dict | Callable]
) -> Compose:
    """Build transforms that run one after the other.

    Args:
        owner: Class and argument named in the message.
        steps: Transforms or their configs; may be empty.

    Returns:
        The pipeline; it returns None as soon as a transform does.

    Raises:
        TypeError: If it is not a list of transforms.
    """
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        raise TypeError(f'{owner} must be a list of transforms, got {steps!r}')
    return Compose(build_pipeline(steps))
