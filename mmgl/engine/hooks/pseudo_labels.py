"""Labels of one's own making, anew in each epoch."""

from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgl.datasets.samplers import PseudoLabelSampler
from mmgl.datasets.types import Steps
from mmgl.engine.bare_model import part_at
from mmgl.evaluation.clustering import cluster_images
from mmgl.evaluation.metrics.row_gathering import gather_rows
from mmgl.models.functional.clusters import match_clusters, moved_centers
from mmgl.models.heads import ClusterMemoryHead
from mmgl.registry import HOOKS
from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE
from mmgl.utils.errors import ConfigError

from .divergence import stop_run


def _is_memory(part: object) -> TypeGuard[ClusterMemoryHead]:
    return isinstance(part, ClusterMemoryHead)


@HOOKS.register_module()
class PseudoLabelHook(Hook):  # type: ignore[misc]
    """Cluster the training images before each epoch, and match the clusters.

    Images of each modality are clustered by
    :func:`~mmgl.evaluation.clustering.cluster_images` with the features that
    the model is tested with, loaded by the transforms of ``pipeline`` in
    batches of ``batch_size``. Clusters of the two modalities are matched by
    :func:`~mmgl.models.functional.clusters.match_clusters`. The sampler,
    a ``PseudoLabelSampler``, and the :class:`ClusterMemoryHead` at the dotted
    path ``head`` get the result. No pid is read.

    ``clusters_visible``, ``clusters_infrared`` and ``clustered``, the share
    of the images that are in one, are logged. A modality with fewer clusters
    than a batch needs ends the run as for ``DivergenceHook``.
    """

    # After the seeds of the epoch.
    priority = 'HIGH'

    def __init__(
        self,
        pipeline: Steps,
        head: str = 'heads.memory',
        eps: float = 0.6,
        min_samples: int = 4,
        k1: int = 30,
        k2: int = 6,
        epsilon: float = 0.05,
        batch_size: int = 128,
    ) -> None:
        self.pipeline = pipeline
        self.head = head
        self.clustering: dict[str, Any] = dict(
            eps=eps, min_samples=min_samples, k1=k1, k2=k2
        )
        self.epsilon = epsilon
        self.batch_size = batch_size

    def before_train(self, runner: Runner) -> None:
        """Find the memory and the sampler, and prepare to load images."""
        words = f'ClusterMemoryHead {self.head!r}'
        self._memory = part_at(runner, self, self.head, _is_memory, words)
        loader = runner.train_dataloader
        self._sampler = loader.sampler
        if not isinstance(self._sampler, PseudoLabelSampler):
            raise ConfigError(
                'PseudoLabelHook: train_dataloader.sampler is a '
                f'{type(self._sampler).__name__}; make it a '
                'PseudoLabelSampler.'
            )
        self._loader = runner.build_dataloader(
            dict(
                dataset=loader.dataset.with_pipeline(self.pipeline),
                batch_size=self.batch_size,
                num_workers=loader.num_workers,
                sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='mmgl.stack_collate'),
            )
        )

    def before_train_epoch(self, runner: Runner) -> None:
        """Label the images of this epoch."""
        features = self._extract(runner)
        shared = [self._cluster(features) if is_main_process() else None]
        broadcast_object_list(shared)
        labels: npt.NDArray[np.int64] = np.asarray(shared[0])
        modality = self._sampler.modality
        counts = [
            len(np.setdiff1d(labels[modality == number], [-1]))
            for number in (VISIBLE, INFRARED)
        ]
        self._report(runner, counts, float((labels >= 0).mean()))
        self._sampler.assign(labels)
        self._fill(torch.from_numpy(features), labels, *counts)

    @torch.no_grad()
    def _extract(self, runner: Runner) -> npt.NDArray[np.float32]:
        """Compute the test features of all images, ``(n, d)``."""
        runner.model.eval()
        batches = []
        for data in self._loader:
            samples = runner.model.test_step(data)
            rows = torch.stack([sample.feature for sample in samples])
            batches.append(rows.float().cpu())
        return gather_rows(batches, len(self._loader.dataset)).numpy()

    def _cluster(
        self, features: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.int64]:
        """Number the clusters of both modalities, visible ones first."""
        labels = np.full(len(features), -1)
        for number in (VISIBLE, INFRARED):
            rows = np.flatnonzero(self._sampler.modality == number)
            found = cluster_images(features[rows], **self.clustering)
            labels[rows] = np.where(found < 0, -1, found + labels.max() + 1)
        return labels

    def _report(
        self, runner: Runner, counts: list[int], clustered: float
    ) -> None:
        """Log how many clusters there are; too few end the run."""
        names = [f'clusters_{name}' for name in MODALITY_NAMES]
        terms = dict(zip(names, counts, strict=True), clustered=clustered)
        for name, value in terms.items():
            runner.message_hub.update_scalar(f'train/{name}', value)
        needed = self._sampler.num_ids
        few = [
            f'{count} clusters of {name} images where a batch needs {needed}'
            for name, count in zip(MODALITY_NAMES, counts, strict=True)
            if count < needed
        ]
        now = ', '.join(f'{k}={v}' for k, v in self.clustering.items())
        images = np.bincount(self._sampler.modality)
        remedy = (
            f'Change {now} of PseudoLabelHook, or lower num_ids of the '
            f'sampler; where k1 is near the number of images, here '
            f'{images.min()}, all are one cluster'
        )
        stop_run(runner, ', '.join(few), terms, runner.epoch, remedy)

    def _fill(
        self,
        features: torch.Tensor,
        labels: npt.NDArray[np.int64],
        visible: int,
        infrared: int,
    ) -> None:
        """Hand centers and partners to the memory."""
        start = features.new_zeros(visible + infrared, features.shape[1])
        unit = torch.nn.functional.normalize(features, dim=1)
        centers = moved_centers(start, unit, torch.from_numpy(labels), 0)
        to_infrared, to_visible = match_clusters(
            centers[:visible], centers[visible:], self.epsilon
        )
        modality = torch.tensor([VISIBLE] * visible + [INFRARED] * infrared)
        partner = torch.cat([to_infrared + visible, to_visible])
        self._memory.fill(centers, modality, partner)
