"""SwAV's loss for several processes."""

import torch
from mmpretrain.models.losses import SwAVLoss
from torch import Tensor

from mmgl.registry import MODELS

from ..functional.transport import balanced_assignment


@MODELS.register_module()
class GlobalSwAVLoss(SwAVLoss):  # type: ignore[misc]
    """Swapped prediction with assignments balanced over all ranks.

    Caron et al., "Unsupervised Learning of Visual Features by Contrasting
    Cluster Assignments" (NeurIPS 2020). mmpretrain 1.2.0 balances the views
    of each rank by themselves, and hangs where a prototype gets nothing on
    one rank only. On one process the values are the same. Arguments and the
    queue (see ``SwAVQueueHook``) are those of the base class.
    """

    use_queue: bool

    def forward(self, x: Tensor) -> Tensor:
        """Average over local views ``(n, d)`` of length 1, crop after crop."""
        with torch.no_grad():
            weight = self.prototypes.weight
            weight.copy_(torch.nn.functional.normalize(weight, dim=1))
        scores: Tensor = self.prototypes(x)
        size = len(x) // sum(self.num_crops)
        predictions = (scores / self.temperature).log_softmax(dim=1)
        views = (
            torch.split(scores.detach(), size),
            torch.split(x.detach(), size),
        )
        total = scores.new_zeros(())
        for row, crop in enumerate(self.crops_for_assign):
            target = self._assign(row, *(view[crop] for view in views))
            others = [
                (target * prediction).sum(dim=1).mean()
                for n, prediction in enumerate(torch.split(predictions, size))
                if n != crop
            ]
            total = total - sum(others) / len(others)
        return total / len(self.crops_for_assign)

    @torch.no_grad()
    def _assign(self, row: int, scores: Tensor, projections: Tensor) -> Tensor:
        """Share views (n, d) out among the prototypes (n, K)."""
        size = len(scores)
        if self.queue is not None:
            queue = self.queue[row]
            # Filled from the front: in use once the last place is taken.
            self.use_queue = self.use_queue or bool(queue[-1].any())
            if self.use_queue:
                scores = torch.cat([self.prototypes(queue), scores])
            queue.copy_(torch.cat([projections, queue[:-size]]))
        assignment = balanced_assignment(
            scores, self.epsilon, self.sinkhorn_iterations
        )
        return assignment[-size:]
