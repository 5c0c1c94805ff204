"""Grey images to see, and their colours to predict."""

from typing import Any

from torch import Tensor

from mmgl.registry import MODELS
from mmgl.structures import VISIBLE
from mmgl.utils.checks import require

from ..functional.colour import rgb_to_lab
from .reid_data_preprocessor import ReIDDataPreprocessor

INFRARED_MODES = ('grey', 'ignore')


@MODELS.register_module()
class LightnessPreprocessor(ReIDDataPreprocessor):
    """Take lightness and colour of images apart, for Colorization.

    Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016). The
    backbone sees the lightness L in all three channels, normalised as any
    grey image, so that its weights fit later images; the colours ab become
    the target ``ab`` ``(B, 2, H, W)``.

    Infrared images have no colour. With ``infrared='grey'`` they go through
    their stem all the same, with grey as the target, which the network can
    tell by the stem alone; with 'ignore' they are left out of training, and
    a two-stream network then keeps an untrained infrared stem (distributed
    training needs ``find_unused_parameters=True``).

    The other settings are those of :class:`ReIDDataPreprocessor`.
    """

    def __init__(self, infrared: str = 'grey', **settings: Any) -> None:
        super().__init__(**settings)
        valid = infrared in INFRARED_MODES
        require(self, valid, f'infrared one of {INFRARED_MODES}', infrared)
        rule = 'to_rgb=True to know which channel is red'
        require(self, self.to_rgb, rule, self.to_rgb)
        self.infrared = infrared

    def forward(
        self, data: dict[str, Any], training: bool = False
    ) -> dict[str, Any]:
        """Prepare a batch as the base class, with the target ``ab``."""
        if training and self.infrared == 'ignore':
            data = _visible_only(data)
        data = super().forward(data, training)
        inputs, ab = self.split(data['inputs'])
        return dict(data, inputs=inputs, targets=dict(data['targets'], ab=ab))

    def split(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Images ``(B, 3, H, W)`` of grey level 2.55 L and colours ab."""
        rgb = (inputs * self.std + self.mean) / 255
        lab = rgb_to_lab(rgb.clamp(0, 1))
        return (2.55 * lab[:, :1] - self.mean) / self.std, lab[:, 1:]


def _visible_only(data: dict[str, Any]) -> dict[str, Any]:
    """Leave infrared images out of a batch."""
    samples = data['data_samples']
    kept = [i for i, one in enumerate(samples) if one.modality == VISIBLE]
    if not kept:
        raise ValueError(
            "LightnessPreprocessor: infrared='ignore' leaves nothing of a "
            'batch without visible images.'
        )
    return {key: [values[i] for i in kept] for key, values in data.items()}
