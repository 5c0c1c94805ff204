import pytest
import torch
from torch.nn import functional as F

from mmgl.models.functional.monitors import modality_gap, part_consistency


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


def test_modality_gap_limits():
    modality = torch.tensor([0, 0, 1, 1])
    split = torch.tensor([[1., 0], [1, 0], [-1, 0], [-1, 0]])
    assert modality_gap(split, modality).item() == 1
    mixed = torch.tensor([[1., 0], [-1, 0], [1, 0], [-1, 0]])
    assert modality_gap(mixed, modality).item() == 0
