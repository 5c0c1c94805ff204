import math

import pytest
import torch

from mmgl.models.functional.graph_attention import (
    attend,
    graph_attention,
    part_attention,
)


def leaky(value):
    return value if value > 0 else 0.2 * value


def naive_graph(queries, nodes, vectors, mask):
    """Score of every pair from the concatenation of its embeddings."""
    n, heads, _ = queries.shape
    rows = []
    for k in range(heads):
        vector = torch.cat([vectors[k, 0], vectors[k, 1]])
        for i in range(n):
            scores = {
                j: leaky(vector @ torch.cat([queries[i, k], nodes[j, k]]))
                for j in range(len(nodes))
                if mask[i, j]
            }
            total = sum(torch.exp(s) for s in scores.values())
            rows += [
                torch.exp(scores[j]) / total
                if j in scores
                else torch.zeros((), dtype=nodes.dtype)
                for j in range(len(nodes))
            ]
    return torch.stack(rows).view(heads, n, len(nodes))


def naive_attend(coefficients, nodes):
    heads, n, m = coefficients.shape
    rows = []
    for i in range(n):
        row = []
        for k in range(heads):
            mean = sum(coefficients[k, i, j] * nodes[j, k] for j in range(m))
            row.append(torch.where(mean > 0, mean, mean.exp() - 1))
        rows.append(torch.cat(row))
    return torch.stack(rows)


@pytest.fixture
def graph():
    nodes = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True)
    vectors = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    pids = torch.tensor([0, 1, 0, 2, 1, 0])
    # Two local nodes of six.
    return nodes, vectors, pids[2:4, None] == pids[None, :]


def test_against_loops_with_gradients(graph):
    nodes, vectors, mask = graph
    weight = torch.randn(2, 6, dtype=torch.float64)

    def gradients(score, gather):
        coefficients = score(nodes[2:4], nodes, vectors, mask)
        out = gather(coefficients, nodes)
        grads = torch.autograd.grad((weight * out).sum(), [nodes, vectors])
        return coefficients, out, *grads

    for got, want in zip(
        gradients(graph_attention, attend),
        gradients(naive_graph, naive_attend),
        strict=True,
    ):
        torch.testing.assert_close(got, want)


def test_rows_sum_to_one_over_the_mask_only(graph):
    nodes, vectors, mask = graph
    for scale in (1, 1e3):
        got = graph_attention(scale * nodes[2:4], scale * nodes, vectors, mask)
        torch.testing.assert_close(
            got.sum(-1), torch.ones(2, 2, dtype=torch.float64)
        )
        assert (got[:, ~mask] == 0).all() and (got >= 0).all()
    # Identity 2 has one image, which attends to itself.
    assert (got[:, 1, 3] == 1).all()


@pytest.mark.parametrize('scale', [1.0, 0.3])
def test_part_attention(scale):
    queries, keys, values = torch.randn(3, 2, 3, 4)
    got = part_attention(queries, keys, values, scale)
    for b in range(2):
        for i in range(3):
            weights = [
                math.exp(scale * (queries[b, i] @ keys[b, j]))
                for j in range(3)
            ]
            want = sum(w * values[b, j] for j, w in enumerate(weights))
            torch.testing.assert_close(got[b, i], want / sum(weights))
