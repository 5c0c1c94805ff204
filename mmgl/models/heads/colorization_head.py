"""Head that predicts the colour of every place."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.registry import HEADS
from mmgl.structures import routing_modality
from mmgl.utils.checks import require

from ..functional.colour import (
    ab_bins,
    rebalancing_weights,
    soft_encode,
    soft_histogram,
)
from ..functional.gather import all_gather_no_grad
from ..functional.modality_groups import modality_indices
from ..protocols import Tensors


@HEADS.register_module()
class ColorizationHead(nn.Module):
    """Classify colours in bins, rare ones with more weight.

    Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016): a
    cross-entropy against soft-encoded ab colours, each place weighted by how
    rare its colour is. The prior, published from a pass over ImageNet, is an
    average over the visible images of all batches so far, on all ranks, and
    saved with the weights.

    Args:
        hidden_channels: Channels before the classifier.
        grid: Distance of the bins in ab.
        num_neighbours: Bins a colour is spread over.
        sigma: Of the Gaussian that spreads it.
        uniform_share: Lambda of the weights, in (0, 1]; 1 weights all
            colours alike.
        upsample: Enlargement of the logits; with a feature map at stride 16,
            4 gives the published stride 4.
        memory: Batches the prior remembers.
    """

    bins: Tensor
    prior: Tensor
    prior_batches: Tensor

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 256,
        grid: int = 10,
        num_neighbours: int = 5,
        sigma: float = 5.0,
        uniform_share: float = 0.5,
        upsample: int = 4,
        memory: int = 1000,
        feature: str = 'map',
    ) -> None:
        super().__init__()
        good = 0 < uniform_share <= 1
        require(self, good, '0 < uniform_share <= 1', uniform_share)
        self.num_neighbours = num_neighbours
        self.sigma = sigma
        self.uniform_share = uniform_share
        self.upsample = upsample
        self.memory = memory
        self.feature = feature
        bins = ab_bins(grid)
        self.register_buffer('bins', bins, persistent=False)
        self.register_buffer('prior', torch.full((len(bins),), 1 / len(bins)))
        self.register_buffer('prior_batches', torch.tensor(0))
        conv = nn.Conv2d(in_channels, hidden_channels, 1, bias=False)
        self.hidden = nn.Sequential(
            conv, nn.BatchNorm2d(hidden_channels), nn.ReLU(inplace=True)
        )
        nn.init.kaiming_normal_(conv.weight, nonlinearity='relu')
        self.classifier = nn.Conv2d(hidden_channels, len(bins), 1)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.get_parameter('bias'))

    def forward(self, feature_map: Tensor) -> Tensor:
        """Logits ``(B, Q, upsample h, upsample w)`` of ``(B, C, h, w)``."""
        logits: Tensor = self.classifier(self.hidden(feature_map))
        if self.upsample == 1:
            return logits
        factor = self.upsample
        return F.interpolate(logits, scale_factor=factor, mode='bilinear')

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Compute the rebalanced cross-entropy, ln Q x mean weight at chance.

        ``targets``: ``modality`` and the colours ``ab`` ``(B, 2, H, W)``,
        infrared ones grey. ``top1`` is the share of places in visible images
        whose nearest bin is found.
        """
        ab = targets['ab']
        logits = self(features[self.feature])
        visible, _ = modality_indices(routing_modality(targets), ab.device)
        index, weight = self._encode(ab, visible, logits.shape[-2:])
        if self.training:
            self._update_prior(index[visible], weight[visible])
        balance = rebalancing_weights(self.prior, self.uniform_share)
        log_probability = logits.float().log_softmax(dim=1)
        # Targets (B, h, w, K), bins of the logits in the second dimension.
        picked = log_probability.gather(1, index.permute(0, 3, 1, 2))
        entropy = -(weight.permute(0, 3, 1, 2) * picked).sum(dim=1)
        loss = (balance[index[..., 0]] * entropy).mean()
        with torch.no_grad():
            right = logits[visible].argmax(dim=1) == index[visible][..., 0]
            # Without visible images nothing is right, and not NaN.
            top1 = right.sum() / max(right.numel(), 1)
        return dict(loss=loss, top1=top1)

    @torch.no_grad()
    def _encode(
        self, ab: Tensor, visible: Tensor, size: torch.Size
    ) -> tuple[Tensor, Tensor]:
        """Soft targets at the size of the logits, both ``(B, h, w, K)``."""
        coloured = F.interpolate(ab[visible], size=size, mode='area')
        shape = (len(coloured), *size, self.num_neighbours)
        coloured = coloured.permute(0, 2, 3, 1).reshape(-1, 2)
        # Grey once, for all images without colours.
        coloured = torch.cat([coloured.new_zeros(1, 2), coloured])
        index, weight = (
            part[0]
            .expand(len(ab), *shape[1:])
            .index_copy(0, visible, part[1:].view(shape))
            for part in soft_encode(
                coloured, self.bins, self.num_neighbours, self.sigma
            )
        )
        return index, weight

    @torch.no_grad()
    def _update_prior(self, index: Tensor, weight: Tensor) -> None:
        """Take the colours of the visible images into the prior."""
        histogram = soft_histogram(
            index.flatten(0, 2), weight.flatten(0, 2), len(self.bins)
        )
        histogram = all_gather_no_grad(histogram[None]).sum(dim=0)
        total = histogram.sum()
        # Nothing to learn from a batch without visible images.
        present = total > 0
        self.prior_batches += present
        share = present / self.prior_batches.clamp(1, self.memory)
        self.prior += share * (histogram / total.clamp(min=1) - self.prior)
