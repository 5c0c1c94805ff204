"""Three networks that see the images in colour and in grey."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mmgl.registry import MODELS

from ..functional.distillation import BRANCHES, NETWORKS
from ..protocols import Tensors


def gray_images(x: Tensor) -> Tensor:
    """Luminance of normalised RGB ``(B, 3, H, W)``, in all three channels.

    As published taken after the images are normalised; normalising grey
    images would give other values.
    """
    luminance = 0.2989 * x[:, :1] + 0.5870 * x[:, 1:2] + 0.1140 * x[:, 2:]
    return luminance.expand_as(x)


@MODELS.register_module()
class MutualNetworks(nn.Module):
    """The three complete networks of MutualInfo, and their four branches.

    Follows Tian et al., "Farewell to Mutual Information: Variational
    Distillation for Cross-Modal Person Re-Identification" (CVPR 2021). Each
    sees the images of both modalities: the visible network as they are, the
    infrared one in grey, and the shared one both, in two passes with batch
    norm statistics of their own. The modality of an image is not used.

    ``network``, for example ``dict(type='OneStreamResNet')``, is built three
    times with different random weights; a pre-trained checkpoint goes into
    all three.
    """

    def __init__(self, network: Mapping[str, Any]) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(
            {name: MODELS.build(dict(network)) for name in NETWORKS}
        )
        self.out_channels = self.networks['shared'].out_channels

    def forward(self, x: Tensor, modality: Tensor) -> Tensors:
        """Compute a feature map of each branch."""
        gray = gray_images(x)
        inputs = dict(infrared=gray, shared_gray=gray, visible=x, shared=x)
        return {
            branch: self.networks[network](inputs[branch], modality)
            for branch, network in BRANCHES.items()
        }
