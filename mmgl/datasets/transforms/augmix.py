"""AugMix on uint8 BGR arrays."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS

from . import image_ops as ops

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
    img: np.ndarray,
    name: str,
    strength: float,
    forward: bool,
    interpolation: str,
) -> np.ndarray:
    """Apply one operation.

    Args:
        img: uint8 BGR image ``(H, W, 3)``.
        name: One of ``OPERATIONS`` or ``FURTHER_OPERATIONS``.
        strength: From 0 to 1.
        forward: Direction, for those that have one.
        interpolation: 'nearest' or 'bilinear'.

    Returns:
        The new image.
    """
    height, width = img.shape[:2]
    sign = 1 if forward else -1
    if name in ('autocontrast', 'equalize'):
        return getattr(ops, name)(img)
    if name == 'posterize':
        return ops.posterize(img, 4 - int(strength * 4))
    if name == 'solarize':
        return ops.solarize(img, 256 - int(strength * 256))
    if name == 'rotate':
        return ops.rotate(
            img, sign * int(strength * MAX_DEGREES), interpolation
        )
    if name == 'shear_x':
        matrix = (1, sign * strength * MAX_SHEAR, 0, 0, 1, 0)
        return ops.affine(img, matrix, interpolation)
    if name == 'shear_y':
        matrix = (1, 0, 0, sign * strength * MAX_SHEAR, 1, 0)
        return ops.affine(img, matrix, interpolation)
    if name == 'translate_x':
        return ops.translate(img, sign * int(strength * width * MAX_SHIFT), 0)
    if name == 'translate_y':
        return ops.translate(img, 0, sign * int(strength * height * MAX_SHIFT))
    return getattr(ops, name)(img, strength * 1.8 + 0.1)


@TRANSFORMS.register_module()
class AugMix(BaseTransform):
    """Mix several chains of simple operations (Hendrycks et al., ICLR 2020).

    The image is blended with a weighted sum of chains of random operations:
    autocontrast, equalise, posterise, rotate, solarise, shear and translate
    in x and y. The weights of the chains come from a Dirichlet distribution,
    the share of the sum from a Beta distribution, the strength of an
    operation uniformly from 0.1 to ``severity`` tenths. Randomness comes
    from numpy's global generator.

    Works on uint8 with OpenCV: ``docs/performance.md`` compares it with
    torchvision's, on PIL images and on tensors.

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

    Raises:
        ValueError: For a parameter out of range or an image that is not
            uint8 with three channels.
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
        checks = {
            'severity': (
                severity,
                1 <= severity <= MAX_SEVERITY,
                f'from 1 to {MAX_SEVERITY}',
            ),
            'mixture_width': (mixture_width, mixture_width >= 1, 'above 0'),
            'chain_depth': (
                chain_depth,
                chain_depth == -1 or chain_depth >= 1,
                '-1 or above 0',
            ),
            'alpha': (alpha, alpha > 0, 'above 0'),
            'interpolation': (
                interpolation,
                interpolation in ops.INTERPOLATIONS,
                "'nearest' or 'bilinear'",
            ),
            'prob': (prob, 0 <= prob <= 1, 'from 0 to 1'),
        }
        for name, (value, fits, rule) in checks.items():
            if not fits:
                raise ValueError(f'AugMix.{name} must be {rule}, got {value}')
        self.options = {name: value for name, (value, *_) in checks.items()}
        self.options['all_ops'] = all_ops
        self.operations = OPERATIONS + (FURTHER_OPERATIONS if all_ops else ())

    def transform(self, results: dict) -> dict:
        """Augment ``results['img']``."""
        img = results['img']
        if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(
                'AugMix needs a uint8 image of shape (H, W, 3), got '
                f'{img.dtype} {img.shape}; use it before normalisation.'
            )
        prob = self.options['prob']
        if prob < 1 and np.random.rand() >= prob:
            return results
        results['img'] = self._mix(ops.as_contiguous(img))
        return results

    def _mix(self, img: np.ndarray) -> np.ndarray:
        """Blend an image with its chains."""
        alpha, width = self.options['alpha'], self.options['mixture_width']
        weights = np.random.dirichlet([alpha] * width)
        share = np.random.beta(alpha, alpha)
        depth = self.options['chain_depth']
        depths = [depth] * width
        if depth == -1:
            depths = np.random.randint(1, 4, width).tolist()
        # All numbers at once: single ones take numpy as long.
        numbers = np.random.rand(width, max(depths), 3).tolist()
        chains = [
            self._chain(img, row[:depth])
            for row, depth in zip(numbers, depths, strict=True)
        ]
        return ops.mix([img, *chains], [1 - share, *(share * weights)])

    def _chain(
        self, img: np.ndarray, numbers: list[list[float]]
    ) -> np.ndarray:
        """Apply one operation for each three numbers from 0 to 1."""
        severity = self.options['severity']
        for choice, level, direction in numbers:
            name = self.operations[int(choice * len(self.operations))]
            level = 0.1 + level * (severity - 0.1)
            img = apply_operation(
                img,
                name,
                level / MAX_SEVERITY,
                direction < 0.5,
                self.options['interpolation'],
            )
        return img

    def __repr__(self) -> str:
        options = ', '.join(f'{k}={v!r}' for k, v in self.options.items())
        return f'{type(self).__name__}({options})'
