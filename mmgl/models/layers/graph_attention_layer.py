"""Graph attention between the images of a batch."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..functional.gather import all_gather_with_grad
from ..functional.graph_attention import attend, graph_attention


class GraphAttentionLayer(nn.Module):
    """One layer of graph attention with several heads.

    Follows Velickovic et al., "Graph Attention Networks"; Xavier-uniform
    weights with gain 1.414 as in the public code of DDAG. ``dropout`` is the
    probability of dropping an attention coefficient.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.empty(num_heads, in_channels, out_channels)
        )
        self.vectors = nn.Parameter(torch.empty(num_heads, 2, out_channels))
        self.dropout = dropout
        for head in self.weight:
            nn.init.xavier_uniform_(head, gain=1.414)
        # Xavier for a 2D x 1 matrix a = [a_1; a_2].
        bound = 1.414 * math.sqrt(6 / (2 * out_channels + 1))
        nn.init.uniform_(self.vectors, -bound, bound)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Let local nodes ``(n, in_channels)`` attend to those of all ranks.

        By the mask ``(n, m)``, to ``(n, num_heads * out_channels)``.
        """
        own = torch.einsum('nc,kcd->nkd', x, self.weight)
        nodes = all_gather_with_grad(own)
        coefficients = graph_attention(own, nodes, self.vectors, mask)
        coefficients = F.dropout(coefficients, self.dropout, self.training)
        return attend(coefficients, nodes)
