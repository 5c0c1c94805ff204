"""Centers of clusters: where they are, how they move, who belongs together.

Centers ``(c, d)`` are of length 1; labels ``(n,)`` are numbers of clusters
from 0, and -1 for none.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .pairwise import pairwise_sq_dist
from .transport import sinkhorn_plan


@torch.no_grad()
def moved_centers(
    centers: Tensor, features: Tensor, labels: Tensor, momentum: float
) -> Tensor:
    """Move centers to the mean of their rows of features ``(n, d)``.

    They keep the share ``momentum`` of what they were and have length 1
    again. Centers without a row stay.
    """
    numbers = torch.arange(len(centers), device=labels.device)
    member = (labels[None, :] == numbers[:, None]).to(features.dtype)
    sizes = member.sum(dim=1, keepdim=True)
    means = member @ features / sizes.clamp(min=1)
    moved = F.normalize(momentum * centers + (1 - momentum) * means, dim=1)
    return torch.where(sizes > 0, moved, centers)


def match_clusters(
    first: Tensor, second: Tensor, epsilon: float = 0.05
) -> tuple[Tensor, Tensor]:
    """Find the cluster of the other modality for each center, ``(c,)`` each.

    It is the one that most of the center's mass goes to in the entropic
    transport plan of squared distances, in which all centers of a modality
    weigh the same. What all distances from or to a center have in common,
    such as most of an offset between the modalities, plays no part.
    """
    plan, _ = sinkhorn_plan(pairwise_sq_dist(first, second), epsilon)
    return plan.argmax(dim=1), plan.argmax(dim=0)
