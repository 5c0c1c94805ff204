"""Multistage feature aggregation of DEEN."""

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.memory_order import in_memory_as
from ..functional.pairwise import at_least_fp32
from .diverse_expansion import DiverseExpansion


@MODELS.register_module()
class MultistageAggregation(nn.Module):
    r"""Let a stage's output attend to its input, by channel and by position.

    A plugin of DEEN (Zhang and Wang, CVPR 2023), for layer1 to layer3. With
    pointwise convolutions :math:`\theta` of the output h and :math:`\phi`,
    g of the input l, both attentions are products without a softmax:
    :math:`h' = h + BN(W \theta_h \phi_l^T g_l / n)`, first over the channels
    of l at the positions of h, then over the positions of l. Both start as the
    identity; the products are associative, and no large matrix is formed.

    ``published``: the second attention as the public code computes it, which
    takes the two halves of the positions for twice the channels, so that a
    position attends in pairs with that half a map away. It needs an even
    number of positions.

    ``expansions`` more maps of each image come behind those of the batch:
    see :class:`~.diverse_expansion.DiverseExpansion`. What follows in the
    backbone sees ``(1 + expansions) B`` maps.
    """

    # The input of the stage is an argument.
    takes_input = True

    def __init__(
        self,
        in_channels: int,
        low_channels: int,
        expansions: int = 0,
        dropout: float = 0.01,
        published: bool = False,
    ) -> None:
        super().__init__()
        self.published = published
        require(self, expansions >= 0, 'expansions >= 0', expansions)
        self.by_channel = _embeddings(in_channels, low_channels, low_channels)
        inside = max(1, low_channels // 2)
        self.by_position = _embeddings(in_channels, low_channels, inside)
        self.copies = 1 + expansions
        self.expansion = None
        if expansions:
            self.expansion = DiverseExpansion(in_channels, expansions, dropout)

    def forward(self, x: Tensor, modality: Tensor, low: Tensor) -> Tensor:
        """Aggregate ``x`` ``(B, C, h, w)`` and the input ``low`` of its stage.

        The maps of ``low`` are as large as those of ``x``, or twice.
        """
        odd = low[0, 0].numel() % 2 or x[0, 0].numel() % 2
        if self.published and odd:
            raise ValueError(
                'MultistageAggregation with published=True needs even numbers '
                f'of positions, got maps of {tuple(low.shape[2:])} and '
                f'{tuple(x.shape[2:])}; change the image size'
            )
        step = 1 if low.shape[2:] == x.shape[2:] else 2
        sampled = low[:, :, ::step, ::step]
        x = _attend(self.by_channel, x, sampled, by_channel=True)
        parts = 2 if self.published else 1
        x = _attend(self.by_position, x, low, parts=parts)
        return x if self.expansion is None else self.expansion(x)


def _embeddings(high: int, low: int, inside: int) -> nn.ModuleDict:
    norm = nn.BatchNorm2d(high)
    nn.init.zeros_(norm.weight)
    return nn.ModuleDict(
        dict(
            theta=nn.Conv2d(high, inside, 1),
            phi=nn.Conv2d(low, inside, 1),
            g=nn.Conv2d(low, inside, 1),
            out=nn.Conv2d(inside, high, 1),
            bn=norm,
        )
    )


def _attend(
    layers: nn.ModuleDict,
    high: Tensor,
    low: Tensor,
    by_channel: bool = False,
    parts: int = 1,
) -> Tensor:
    """Add to ``high`` what it finds in ``low``."""
    maps = layers['theta'](high), layers['phi'](low), layers['g'](low)
    # Sums over all positions overflow fp16.
    with torch.autocast(device_type=high.device.type, enabled=False):
        query, key, value = (
            at_least_fp32(x).reshape(x.shape[0], x.shape[1] * parts, -1)
            for x in maps
        )
        if by_channel:
            found = (query @ key.transpose(1, 2) / key.shape[1]) @ value
        else:
            found = (value @ key.transpose(1, 2) / key.shape[2]) @ query
    found = found.to(maps[0].dtype).reshape(maps[0].shape)
    found = in_memory_as(high, found)
    attended: Tensor = layers['bn'](layers['out'](found))
    return high + attended
