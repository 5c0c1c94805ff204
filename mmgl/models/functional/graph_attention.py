"""Attention of DDAG: between images of an identity, between parts of one.

All functions take a boolean mask instead of an adjacency matrix, so the
order of the batch plays no role. Shapes use

- local node number: n (this rank)
- node number: m (all ranks)
- attention head number: K
- embedding size of a head: D
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# Slope of the LeakyReLU of Velickovic et al., "Graph Attention Networks".
NEGATIVE_SLOPE = 0.2


def graph_attention(
    queries: Tensor, nodes: Tensor, vectors: Tensor, mask: Tensor
) -> Tensor:
    r"""Compute attention coefficients of graph attention.

    :math:`e_{ij} = LeakyReLU(a_1^T h_i + a_2^T h_j)`, then a softmax over
    the nodes j that i may attend to. The score of a pair is a sum of one
    term a node, so the ``n x m x 2D`` concatenations are never formed.

    Args:
        queries: Embeddings :math:`h_i` of the local nodes ``(n, K, D)``.
        nodes: Embeddings :math:`h_j` of all nodes ``(m, K, D)``.
        vectors: :math:`a_1` and :math:`a_2` of each head ``(K, 2, D)``.
        mask: True where node i may attend to node j ``(n, m)``; at least
            one in each row.

    Returns:
        Coefficients ``(K, n, m)``; each row sums to 1 over the mask and is
        exactly 0 elsewhere.
    """
    own = torch.einsum('nkd,kd->kn', queries, vectors[:, 0])
    other = torch.einsum('mkd,kd->km', nodes, vectors[:, 1])
    scores = F.leaky_relu(own[:, :, None] + other[:, None, :], NEGATIVE_SLOPE)
    return scores.masked_fill(~mask, float('-inf')).softmax(dim=-1)


def attend(coefficients: Tensor, nodes: Tensor) -> Tensor:
    """Replace every local node by what it attends to.

    Args:
        coefficients: Result of :func:`graph_attention` ``(K, n, m)``.
        nodes: Embeddings of all nodes ``(m, K, D)``.

    Returns:
        Weighted sums after an ELU, the heads side by side ``(n, K * D)``.
    """
    return F.elu(torch.einsum('knm,mkd->nkd', coefficients, nodes)).flatten(1)


def part_attention(
    queries: Tensor, keys: Tensor, values: Tensor, scale: float = 1.0
) -> Tensor:
    r"""Let the parts of an image attend to one another.

    Args:
        queries: Embeddings of the parts ``(B, P, D)``.
        keys: The same, of another projection ``(B, P, D)``.
        values: What is summed up ``(B, P, D)``.
        scale: Factor of the dot products; DDAG has none.

    Returns:
        ``softmax_j(scale * q_i^T k_j)``-weighted sums of the values
        ``(B, P, D)``.
    """
    scores = scale * queries @ keys.transpose(-1, -2)
    return scores.softmax(dim=-1) @ values
