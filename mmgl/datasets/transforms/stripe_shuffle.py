"""Cutting an image into horizontal stripes and shuffling them."""

import numpy as np

from mmgl.registry import TRANSFORMS

from ..checks import check
from ..randomness import check_seed, keyed_generator
from ..types import Image, Ints, Results
from .base import Transform
from .image_ops import as_contiguous


def shuffle_stripes(img: Image, permutation: Ints) -> Image:
    """Return a new image with its horizontal stripes in another order.

    Place ``i`` of the result shows stripe ``permutation[i]`` of ``img``,
    counted from 0. Their number must divide the height.
    """
    height, num = img.shape[0], len(permutation)
    if height % num:
        raise ValueError(
            f'SharedStripeShuffle: height {height} of the image is no '
            f'multiple of num_stripes={num}; change the image size or '
            'num_stripes.'
        )
    stripes = as_contiguous(img).reshape(num, height // num, *img.shape[1:])
    shuffled: Image = stripes[permutation].reshape(img.shape)
    return shuffled


@TRANSFORMS.register_module()
class SharedStripeShuffle(Transform):
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
        num_stripes: Number of stripes N, at least 2; divides the height.
        seed: Seed, mixed with the key above.
    """

    def __init__(self, num_stripes: int = 6, seed: int = 0) -> None:
        fits = isinstance(num_stripes, int) and num_stripes > 1
        key = 'SharedStripeShuffle.num_stripes'
        check(key, num_stripes, fits, 'a whole number above 1')
        self.num_stripes = num_stripes
        self.seed = check_seed(seed)

    def transform(self, results: Results) -> Results:
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
