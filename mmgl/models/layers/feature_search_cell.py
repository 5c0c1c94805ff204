"""Search for the channels and pixels that each modality keeps."""

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.structures.modality import INFRARED, VISIBLE
from mmgl.utils.checks import require

from ..functional.feature_search import (
    PHASES,
    SEARCH,
    logistic_noise,
    pixel_logits,
    selection_gates,
)
from ..functional.gather import all_gather_with_grad
from ..protocols import Tensors

LEVELS = ('none', 'channel', 'spatial', 'both')


@MODELS.register_module()
class FeatureSearchCell(nn.Module):
    r"""Differentiable selection of channels, then of pixels.

    A plugin behind a shared stage in the manner of NFS (Chen et al., "Neural
    Feature Search for RGB-Infrared Person Re-Identification", CVPR 2021).
    The paper has no public code; the cell is our design, see
    ``docs/methods/nfs.md``. Every selection variable is a binary concrete
    one in fp32:

    - channels (coarse): logits :math:`a + \delta^m` for each channel and
      modality ``m``, one draw of the noise for each modality and forward;
    - pixels (fine): a 7x7 convolution over the standardised mean and maximum
      of the *selected* channels, so that the others can be removed for good,
      plus a bias :math:`\beta + \beta^m`.

    The output is the input, not negative (behind a ReLU), times both gates.
    ``phase`` and ``temperature`` are buffers set by
    :class:`~mmgl.engine.hooks.SearchPhaseHook`: gates are 1 in 'warm-up',
    relaxed in 'search', where alone they learn, and 0 or 1 in 'hard'. Noise is
    added in training mode.

    :meth:`auxiliary_losses` has :math:`L_{sel} = w [(\bar g_{channel} -
    t_c)^2 + (\bar g_{pixel} - t_p)^2]`, without which no gate would have a
    reason to close, with means over the batch of all ranks.

    Args:
        search_level: 'none', 'channel', 'spatial' or 'both'.
        init_logit: First value of all logits. At 5 the eight gates of four
            cells scale the stream by 0.948 without noise.
        channel_target: Share of channels to keep, t_c.
        spatial_target: Share of pixels to keep, t_p.
        loss_weight: Weight w. With 0.1 the other losses open all gates.
    """

    phase: Tensor
    temperature: Tensor

    def __init__(
        self,
        in_channels: int,
        search_level: str = 'both',
        init_logit: float = 5.0,
        channel_target: float = 0.9,
        spatial_target: float = 0.8,
        loss_weight: float = 10.0,
    ) -> None:
        super().__init__()
        valid = search_level in LEVELS
        require(self, valid, f'search_level one of {LEVELS}', search_level)
        targets = channel_target, spatial_target
        valid = all(0 <= target <= 1 for target in targets)
        rule = 'channel_target and spatial_target from 0 to 1'
        require(self, valid, rule, targets)
        self.in_channels = in_channels
        self.channel_target, self.spatial_target = targets
        self.loss_weight = loss_weight
        self.by_channel = search_level in ('channel', 'both')
        self.by_pixel = search_level in ('spatial', 'both')
        if self.by_channel:
            start = torch.full((in_channels,), float(init_logit))
            self.channel_logit = nn.Parameter(start)
            self.channel_offset = nn.Parameter(torch.zeros(2, in_channels))
        if self.by_pixel:
            # Zero weights: all pixels start alike.
            self.pixel_weight = nn.Parameter(torch.zeros(1, 2, 7, 7))
            self.pixel_bias = nn.Parameter(torch.full((1,), float(init_logit)))
            self.pixel_offset = nn.Parameter(torch.zeros(2))
        self.register_buffer('phase', torch.tensor(0))
        self.register_buffer('temperature', torch.tensor(1.0))
        self._terms: Tensors = {}
        # Mean of the gates of this rank's batch, and what it should be.
        self._means: list[tuple[Tensor, float]] = []

    def set_phase(self, phase: str, temperature: float) -> None:
        """Enter the phase 'warm-up', 'search' or 'hard' of the search."""
        good = phase in PHASES and temperature > 0
        rule = f'a phase of {PHASES} and a temperature above 0'
        require(self, good, rule, (phase, temperature))
        self.phase.fill_(PHASES.index(phase))
        self.temperature.fill_(temperature)

    def channel_logits(self) -> Tensor:
        """Logits ``(2, C)`` of the channels by modality, visible first."""
        return self.channel_logit + self.channel_offset

    def pixel_biases(self) -> Tensor:
        """Offsets ``(2,)`` of the pixel logits, visible first."""
        return self.pixel_bias + self.pixel_offset

    @torch.no_grad()
    def channel_subsets(self) -> Tensor:
        """Boolean ``(2, C)``, visible first: channels that hard gates keep."""
        if not self.by_channel:
            return self.phase.new_ones((2, self.in_channels), dtype=torch.bool)
        return self.channel_logits() > 0

    def forward(self, x: Tensor, modality: Tensor) -> Tensor:
        """Multiply a map ``(B, C, h, w)``, not negative, by its gates."""
        visible = modality.to(x.device, non_blocking=True) == VISIBLE
        self._terms, self._means = {}, []
        # Logarithms and steep sigmoids need fp32.
        with torch.autocast(x.device.type, enabled=False):
            if self.by_channel:
                x = x * self._channel_gates(visible).to(x.dtype)
            if self.by_pixel:
                x = x * self._pixel_gates(x, visible).to(x.dtype)
        return x

    def _channel_gates(self, visible: Tensor) -> Tensor:
        """Gates (B, C, 1, 1)."""
        logits = self.channel_logits()
        gates = self._gates(logits)
        if self.training:
            self._means.append((gates.mean(), self.channel_target))
            kept = logits.detach() > 0
            both = kept.all(dim=0).sum()
            any_kept = kept.any(dim=0).sum().clamp(min=1)
            self._terms['channel_kept'] = kept.float().mean()
            self._terms['channel_iou'] = both / any_kept
        return _of_image(gates, visible[:, None])[:, :, None, None]

    def _pixel_gates(self, x: Tensor, visible: Tensor) -> Tensor:
        """Gates (B, 1, h, w)."""
        bias = _of_image(self.pixel_biases(), visible)
        logits = pixel_logits(x, self.in_channels, self.pixel_weight, bias)
        gates = self._gates(logits)
        if self.training:
            self._means.append((gates.mean(), self.spatial_target))
            self._terms['pixel_kept'] = (logits.detach() > 0).float().mean()
        return gates

    def _gates(self, logits: Tensor) -> Tensor:
        """Gates of some logits in the present phase."""
        noise = logistic_noise(logits) if self.training else None
        return selection_gates(logits, self.phase, self.temperature, noise)

    def _selection_loss(self) -> Tensor:
        """Loss of all gates; 0 where nothing is searched."""
        own = torch.stack([mean for mean, _ in self._means])
        means = all_gather_with_grad(own[None]).mean(dim=0)
        loss = means.new_zeros(())
        for mean, (_, target) in zip(means, self._means, strict=True):
            loss = loss + (mean - target).square()
        loss = self.loss_weight * loss
        return torch.where(self.phase == SEARCH, loss, 0 * loss)

    def auxiliary_losses(self) -> Tensors:
        """Hand out the terms of the last training forward, once.

        ``loss_selection``; for the log, the shares ``channel_kept`` and
        ``pixel_kept`` that hard gates would keep, and ``channel_iou``,
        intersection over union of the channels kept by the two modalities.
        """
        terms, self._terms = self._terms, {}
        if self._means:
            terms['loss_selection'] = self._selection_loss()
            self._means = []
        return terms


def _of_image(values: Tensor, visible: Tensor) -> Tensor:
    """Value of each image out of ``values`` (2, ...)."""
    # Not by indexing, whose gradient is summed in no fixed order.
    return torch.where(visible, values[VISIBLE], values[INFRARED])
