"""Attention of DDAG: between images of an identity, between parts of one.

All functions take a boolean mask instead of an adjacency matrix, so the
order of the batch plays no role. There are n local nodes, m of all ranks, and
K attention heads of D numbers.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# Slope of the LeakyReLU of Velickovic et al., "Graph Attention Networks".
NEGATIVE_SLOPE = 0.2


def graph_attention(
    queries: Tensor, nodes: Tensor, vectors: Tensor, mask: Tensor
) -> Tensor:
    r"""Attention coefficients ``(K, n, m)`` of graph attention.

    :math:`e_{ij} = LeakyReLU(a_1^T h_i + a_2^T h_j)`, a sum of one term a
    node, then a softmax over the nodes of the mask ``(n, m)``, at least one a
    row. Local nodes are ``(n, K, D)``, all nodes ``(m, K, D)``, the vectors a
    ``(K, 2, D)``.
    """
    own = torch.einsum('nkd,kd->kn', queries, vectors[:, 0])
    other = torch.einsum('mkd,kd->km', nodes, vectors[:, 1])
    scores = F.leaky_relu(own[:, :, None] + other[:, None, :], NEGATIVE_SLOPE)
    return scores.masked_fill(~mask, float('-inf')).softmax(dim=-1)


def attend(coefficients: Tensor, nodes: Tensor) -> Tensor:
    """ELU of the weighted sums of nodes, the heads side by side (n, K * D)."""
    return F.elu(torch.einsum('knm,mkd->nkd', coefficients, nodes)).flatten(1)


def part_attention(
    queries: Tensor, keys: Tensor, values: Tensor, scale: float = 1.0
) -> Tensor:
    """Weigh the values ``(B, P, D)`` by ``softmax_j(scale * q_i^T k_j)``."""
    scores = scale * queries @ keys.transpose(-1, -2)
    return scores.softmax(dim=-1) @ values
