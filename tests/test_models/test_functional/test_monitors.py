import pytest
import torch
from torch.nn import functional as F

from mmgl.models.functional.monitors import (
    feature_spread,
    modality_gap,
    part_consistency,
    within_modality_spread,
)


def test_part_consistency_counts_matching_parts():
    modality = torch.tensor([0, 1])
    labels = torch.tensor([[0, 1, 2], [2, 0, 1]])
    parts = torch.eye(3)[labels]
    assert part_consistency(parts, modality, labels) == 1
    wrong = torch.stack([parts[0], torch.eye(3)[(labels[1] + 1) % 3]])
    assert part_consistency(wrong, modality, labels) == 0


def test_part_consistency_equals_a_loop():
    parts = F.normalize(torch.randn(5, 4, 8), dim=-1)
    modality = torch.tensor([0, 1, 1, 0, 1])
    labels = torch.stack([torch.randperm(4) for _ in range(5)])
    hits = 0
    for b in range(5):
        for n in range(4):
            best, place = -2, None
            for c in range(5):
                for k in range(4):
                    score = float(parts[b, n] @ parts[c, k])
                    if modality[c] != modality[b] and score > best:
                        best, place = score, labels[c, k]
            hits += int(place == labels[b, n])
    value = part_consistency(parts, modality, labels).item()
    assert value == pytest.approx(hits / 20)


def test_part_consistency_of_one_modality_is_none():
    labels = torch.tensor([[0, 1], [1, 0]])
    for modality in (torch.zeros(2).long(), torch.ones(2).long()):
        assert part_consistency(torch.eye(2)[labels], modality, labels) == 0


def test_modality_gap_limits():
    modality = torch.tensor([0, 0, 1, 1])
    split = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0]])
    assert modality_gap(split, modality).item() == 1
    mixed = torch.tensor([[1.0, 0], [-1, 0], [1, 0], [-1, 0]])
    assert modality_gap(mixed, modality).item() == 0
    # Feature maps count by their mean over all positions.
    maps = torch.randn(4, 5, 3, 2)
    torch.testing.assert_close(
        modality_gap(maps, modality),
        modality_gap(maps.mean(dim=(2, 3)), modality),
    )


def test_feature_spread():
    x = torch.randn(6, 4, dtype=torch.float64) + 3
    mean = sum(x) / 6
    want = sum(((row - mean) ** 2).sum() for row in x) / sum(
        (row**2).sum() for row in x
    )
    torch.testing.assert_close(
        feature_spread(x).double(), want, rtol=1e-5, atol=0
    )
    # The length does not matter, and 0 stands for one vector alone.
    torch.testing.assert_close(feature_spread(100 * x), feature_spread(x))
    assert feature_spread(x[:1].expand(5, 4)) < 1e-12
    torch.testing.assert_close(
        feature_spread(torch.cat([x, -x])), torch.tensor(1.0)
    )
    assert feature_spread(torch.zeros(3, 4)) == 0


def test_within_modality_spread_is_one_minus_the_mean_cosine():
    x = torch.randn(7, 5) + 1
    modality = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    wanted = []
    for m in (0, 1):
        rows = [
            r / r.norm() for r, k in zip(x, modality, strict=True) if k == m
        ]
        cosines = [float(a @ b) for a in rows for b in rows]
        wanted.append(1 - sum(cosines) / len(cosines))
    value = float(within_modality_spread(x, modality))
    assert value == pytest.approx(min(wanted), rel=1e-5)
    # Lengths do not matter.
    scaled = x * torch.rand(7, 1).add(0.1)
    assert float(within_modality_spread(scaled, modality)) == pytest.approx(
        value, rel=1e-4
    )


def test_within_modality_spread_sees_one_vector_for_each_modality():
    modality = torch.tensor([0, 1] * 4)
    x = torch.where(modality[:, None] == 0, 1.0, -1.0) * torch.ones(8, 3)
    assert float(feature_spread(x)) == 1
    assert float(within_modality_spread(x, modality)) < 1e-12
    # One of the two modalities is enough, and one may be missing.
    x[::2] = torch.randn(4, 3)
    assert float(within_modality_spread(x, modality)) < 1e-12
    alone = torch.tensor([[1.0, 0], [-1, 0]])
    assert float(within_modality_spread(alone, torch.zeros(2).long())) == 1
