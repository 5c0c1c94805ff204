"""AugMix on uint8 BGR arrays."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torchvision.transforms import InterpolationMode, v2

from mmgl.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AugMix(BaseTransform):
    """Mix several chains of simple operations (Hendrycks et al., ICLR 2020).

    A thin wrapper over ``torchvision.transforms.v2.AugMix``. The image goes
    in as an RGB tensor, which is faster there than a PIL image. Randomness
    comes from torch's global generator.

    Required and modified key: ``img``, uint8 of shape ``(H, W, 3)``, BGR.

    Args:
        severity: Strength of the operations, 1 to 10.
        mixture_width: Number of chains.
        chain_depth: Operations per chain; -1 draws 1 to 3.
        alpha: Parameter of the Dirichlet and Beta distributions.
        all_ops: Also brightness, colour, contrast and sharpness, which the
            AugMix paper leaves out.
        interpolation: 'nearest' or 'bilinear', for the geometric operations.
        prob: Probability of changing the image at all.

    Raises:
        ValueError: For a parameter out of range or an image that is not
            uint8 with three channels.
    """

    def __init__(self,
                 severity: int = 3,
                 mixture_width: int = 3,
                 chain_depth: int = -1,
                 alpha: float = 1.0,
                 all_ops: bool = True,
                 interpolation: str = 'bilinear',
                 prob: float = 1.0) -> None:
        checks = {
            'severity': (severity, 1 <= severity <= 10, 'from 1 to 10'),
            'mixture_width': (mixture_width, mixture_width >= 1, 'above 0'),
            'chain_depth': (chain_depth, chain_depth == -1
                            or chain_depth >= 1, '-1 or above 0'),
            'alpha': (alpha, alpha > 0, 'above 0'),
            'interpolation': (interpolation, interpolation
                              in ('nearest', 'bilinear'),
                              "'nearest' or 'bilinear'"),
            'prob': (prob, 0 <= prob <= 1, 'from 0 to 1'),
        }
        for name, (value, fits, rule) in checks.items():
            if not fits:
                raise ValueError(f'AugMix.{name} must be {rule}, got {value}')
        self.options = {name: value for name, (value, *_) in checks.items()}
        self.options['all_ops'] = all_ops
        self.prob = prob
        self.augment = v2.AugMix(
            severity=severity,
            mixture_width=mixture_width,
            chain_depth=chain_depth,
            alpha=alpha,
            all_ops=all_ops,
            interpolation=InterpolationMode(interpolation))

    def transform(self, results: dict) -> dict:
        """Augment ``results['img']``."""
        img = results['img']
        if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(
                'AugMix needs a uint8 image of shape (H, W, 3), got '
                f'{img.dtype} {img.shape}; use it before normalisation.')
        if self.prob < 1 and torch.rand(()).item() >= self.prob:
            return results
        rgb = np.ascontiguousarray(img[..., ::-1].transpose(2, 0, 1))
        mixed = self.augment(torch.from_numpy(rgb)).numpy()
        results['img'] = np.ascontiguousarray(
            mixed.transpose(1, 2, 0)[..., ::-1])
        return results

    def __repr__(self) -> str:
        options = ', '.join(f'{k}={v!r}' for k, v in self.options.items())
        return f'{type(self).__name__}({options})'
