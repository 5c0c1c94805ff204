"""Divergences between predictions, and the branches of MutualInfo.

Follows Tian et al., "Farewell to Mutual Information: Variational Distillation
for Cross-Modal Person Re-Identification" (CVPR 2021). All functions take
logits ``(n, c)``, work in fp32 (fp64 for fp64) and average over the rows.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .pairwise import at_least_fp32

# Branch and the network it runs through, in the order of the test feature.
# The shared network sees each image twice: in grey and as it is.
BRANCHES = {
    'infrared': 'infrared',
    'shared_gray': 'shared',
    'visible': 'visible',
    'shared': 'shared',
}
NETWORKS = ('visible', 'infrared', 'shared')


def _log_probabilities(*logits: Tensor) -> Iterator[Tensor]:
    return (at_least_fp32(one).log_softmax(dim=1) for one in logits)


def kl_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Kullback-Leibler divergence ``KL(first || second)``."""
    log_p, log_q = _log_probabilities(first, second)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()


def js_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Jensen-Shannon divergence in nats, symmetric and at most ln 2."""
    log_p, log_q = _log_probabilities(first, second)
    log_mean = torch.logaddexp(log_p, log_q) - math.log(2)
    terms = log_p.exp() * (log_p - log_mean) + log_q.exp() * (log_q - log_mean)
    return terms.sum(dim=1).mean() / 2


def symmetric_kl(first: Tensor, second: Tensor) -> Tensor:
    """Mean of the two Kullback-Leibler divergences; both sides learn."""
    return (kl_divergence(first, second) + kl_divergence(second, first)) / 2


def distil(teacher: Tensor, student: Tensor, mode: str = 'paper') -> Tensor:
    r"""Let a student predict what a teacher, without gradient, predicts.

    'paper' is :math:`KL(p_t \| p_s)`. 'released' is what the public code
    computes: :math:`p_s (\log p_s - p_t)`, averaged over rows and classes,
    with sides swapped and a missing logarithm. Its minimum is :math:`p_s =
    softmax(p_t)`, close to uniform whatever the teacher says, and its
    gradient is hundreds of times smaller.
    """
    if mode == 'paper':
        return kl_divergence(teacher.detach(), student)
    if mode == 'released':
        teacher = at_least_fp32(teacher.detach()).softmax(dim=1)
        (log_student,) = _log_probabilities(student)
        return (log_student.exp() * (log_student - teacher)).mean()
    raise ValueError(
        f"distil: mode must be 'paper' or 'released', got {mode!r}"
    )
