"""Cutting an image into horizontal stripes and shuffling them."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS

from ..randomness import check_seed, keyed_generator
from .image_ops import as_contiguous


def shuffle_stripes(img: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """Reorder the horizontal stripes of an image.

    Args:
        img: Image of shape ``(H, W)`` or ``(H, W, C)``.
        permutation: ``(N,)``; place ``i`` of the result shows stripe
            ``permutation[i]`` of ``img``, counted from 0.

    Returns:
        A new image of the same shape.

    Raises:
        ValueError: If N does not divide H.
    """
    height, num = img.shape[0], len(permutation)
    if height % num:
        raise ValueError(
            f'SharedStripeShuffle: height {height} of the image is no '
            f'multiple of num_stripes={num}; change the image size or '
            'num_stripes.'
        )
    stripes = as_contiguous(img).reshape(num, height // num, *img.shape[1:])
    return stripes[permutation].reshape(img.shape)


@TRANSFORMS.register_module()
class SharedStripeShuffle(BaseTransform):
    """Shuffle stripes by one permutation per cross-modal pair (MMGL).

    Follows the paper's Sec. III: N patches of size ``(H / N, W)``, one
    permutation, uniform over all N!, shared by the two images of a pair.
    Place ``i`` of the result shows stripe ``permutation[i]`` of the input.
    Use it after all other augmentations, so that none of them reveals the
    seams.

    With a draw of a sampler the permutation depends on (seed, epoch, pair);
    with a plain index on (seed, index), which keeps it fixed for evaluation.

    Required keys: ``img``, and ``draw`` or ``sample_idx``. Modified: ``img``.
    Added: ``permutation``, int64 of shape ``(N,)``.

    Args:
        num_stripes: Number of stripes N, at least 2.
        seed: Seed, mixed with the key above.

    Raises:
        ValueError: If ``num_stripes`` is below 2 or does not divide the
            height.
    """

    def __init__(self, num_stripes: int = 6, seed: int = 0) -> None:
        if not isinstance(num_stripes, int) or num_stripes < 2:
            raise ValueError(
                'SharedStripeShuffle.num_stripes must be a whole '
                f'number above 1, got {num_stripes!r}'
            )
        self.num_stripes = num_stripes
        self.seed = check_seed(seed)

    def transform(self, results: dict) -> dict:
        """Shuffle ``results['img']`` and record the permutation."""
        draw = results.get('draw')
        stream = f'stripe shuffle {self.seed}'
        if draw is None:
            rng = keyed_generator((results['sample_idx'],), stream)
        else:
            rng = draw.generator(stream)
        permutation = rng.permutation(self.num_stripes).astype(np.int64)
        results['img'] = shuffle_stripes(results['img'], permutation)
        results['permutation'] = permutation
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_stripes={self.num_stripes}, '
            f'seed={self.seed})'
        )
