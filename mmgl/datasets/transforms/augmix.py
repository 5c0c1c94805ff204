"""AugMix on uint8 BGR arrays."""

from collections.abc import Callable

import numpy as np

from mmgl.registry import TRANSFORMS
from mmgl.utils.images import as_contiguous

from ..checks import check, check_choice, check_positive, check_probability
from ..types import Image, Results
from . import image_ops as ops
from .base import Transform, check_image

OPERATIONS = (
    'autocontrast',
    'equalize',
    'posterize',
    'rotate',
    'solarize',
    'shear_x',
    'shear_y',
    'translate_x',
    'translate_y',
)
FURTHER_OPERATIONS = ('color', 'contrast', 'brightness', 'sharpness')
MAX_SEVERITY = 10
# Strength of an operation at severity 10.
MAX_DEGREES, MAX_SHEAR, MAX_SHIFT = 30, 0.3, 1 / 3


def apply_operation(
    img: Image, name: str, strength: float, forward: bool, interpolation: str
) -> Image:
    """Apply one, strength 0 to 1, in a direction if it has any."""
    height, width = img.shape[:2]
    sign = 1 if forward else -1
    if name == 'posterize':
        return ops.posterize(img, 4 - int(strength * 4))
    if name == 'solarize':
        return ops.solarize(img, 256 - int(strength * 256))
    if name == 'rotate':
        degrees = sign * int(strength * MAX_DEGREES)
        return ops.rotate(img, degrees, interpolation)
    if name in ('shear_x', 'shear_y'):
        shear = sign * strength * MAX_SHEAR
        right, down = (shear, 0.0) if name == 'shear_x' else (0.0, shear)
        return ops.affine(img, (1, right, 0, down, 1, 0), interpolation)
    if name == 'translate_x':
        return ops.translate(img, sign * int(strength * width * MAX_SHIFT), 0)
    if name == 'translate_y':
        return ops.translate(img, 0, sign * int(strength * height * MAX_SHIFT))
    operation: Callable[..., Image] = getattr(ops, name)
    if name in ('autocontrast', 'equalize'):
        return operation(img)
    return operation(img, strength * 1.8 + 0.1)


@TRANSFORMS.register_module()
class AugMix(Transform):
    """Mix several chains of simple operations (Hendrycks et al., ICLR 2020).

    The image is blended with a weighted sum of chains of random operations.
    The weights of the chains come from a Dirichlet distribution, the share
    of the sum from a Beta distribution, the strength of an operation
    uniformly from 0.1 to ``severity`` tenths, all from numpy's global
    generator.

    Required and modified key: ``img``, uint8 of shape ``(H, W, 3)``, BGR.

    Args:
        severity: Strength of the operations, 1 to 10.
        mixture_width: Number of chains.
        chain_depth: Operations per chain; -1 draws 1 to 3.
        alpha: Parameter of the Dirichlet and Beta distributions.
        all_ops: Also colour, contrast, brightness and sharpness, which the
            AugMix paper leaves out.
        interpolation: 'nearest' or 'bilinear', for rotation and shear.
        prob: Probability of changing the image at all.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = False,
        interpolation: str = 'bilinear',
        prob: float = 1.0,
    ) -> None:
        fits = 1 <= severity <= MAX_SEVERITY
        check('AugMix.severity', severity, fits, f'from 1 to {MAX_SEVERITY}')
        check_positive('AugMix', mixture_width=mixture_width)
        if chain_depth != -1:
            check_positive('AugMix', chain_depth=chain_depth)
        check('AugMix.alpha', alpha, alpha > 0, 'above 0')
        check_choice('AugMix.interpolation', interpolation, ops.INTERPOLATIONS)
        check_probability('AugMix', prob=prob)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self.prob = prob
        self._operations = OPERATIONS + (FURTHER_OPERATIONS if all_ops else ())

    def transform(self, results: Results) -> Results:
        """Augment ``results['img']``."""
        img = results['img']
        check_image('AugMix', img, kinds=('uint8',))
        if self.prob < 1 and np.random.rand() >= self.prob:
            return results
        results['img'] = self._mix(as_contiguous(img))
        return results

    def _mix(self, img: Image) -> Image:
        """Blend an image with its chains."""
        weights = np.random.dirichlet([self.alpha] * self.mixture_width)
        share = np.random.beta(self.alpha, self.alpha)
        depths = [self.chain_depth] * self.mixture_width
        if self.chain_depth == -1:
            depths = np.random.randint(1, 4, self.mixture_width).tolist()
        # All numbers at once: single ones take numpy as long.
        numbers = np.random.rand(self.mixture_width, max(depths), 3).tolist()
        chains = [
            self._chain(img, row[:depth])
            for row, depth in zip(numbers, depths, strict=True)
        ]
        return ops.mix([img, *chains], [1 - share, *(share * weights)])

    def _chain(self, img: Image, numbers: list[list[float]]) -> Image:
        """Apply one operation for each three numbers from 0 to 1."""
        for choice, level, direction in numbers:
            name = self._operations[int(choice * len(self._operations))]
            level = (0.1 + level * (self.severity - 0.1)) / MAX_SEVERITY
            forward = direction < 0.5
            img = apply_operation(
                img, name, level, forward, self.interpolation
            )
        return img
