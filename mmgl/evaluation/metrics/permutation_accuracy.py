"""Metric of the pretext task: are shuffled stripes put back in place?"""

import logging

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmgl.evaluation.permutation import permutation_matches
from mmgl.evaluation.ranking.feature_arrays import to_numpy
from mmgl.registry import METRICS
from mmgl.structures.modality import MODALITY_NAMES


@METRICS.register_module()
class PermutationAccuracy(BaseMetric):
    """Share of stripes, and of whole images, put back in their true place.

    The permutation is read off the noise-free logits by Hungarian matching
    (MMGL, section on permutation recovery; Mena et al., ICLR 2018). Returns
    python floats in percent: 'permutation/stripe_acc',
    'permutation/exact_acc', and each with 'visible_' and 'infrared_' before
    the name if images of that modality were seen. Guessing gives 1 / N and
    1 / N! for N stripes.

    An image whose logits are not finite counts as wrong, with a warning: early
    in training running statistics lag behind the weights, and a network that
    is sound in training mode may overflow in evaluation.

    Args:
        collect_device (str): See mmengine's ``BaseMetric``.
        prefix (str, optional): See mmengine's ``BaseMetric``.
    """

    default_prefix = 'permutation'

    def __init__(self, collect_device='cpu', prefix=None):
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(self, data_batch, data_samples):
        """Match the permutations of a batch.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): With permutation_logits (N, N),
                permutation (N,) and modality.
        """
        for sample in data_samples:
            missing = [
                name
                for name in ('permutation_logits', 'permutation', 'modality')
                if sample.get(name) is None
            ]
            if missing:
                raise ValueError(
                    f'PermutationAccuracy: a data sample lacks '
                    f'{", ".join(missing)} (it has {sorted(sample)}); the '
                    'pipeline needs SharedStripeShuffle, and the model must '
                    'set permutation_logits in predict mode.'
                )
            self.results.append(
                (int(sample['modality']), *self._score(sample))
            )

    @staticmethod
    def _score(sample):
        """Share of right stripes, all right, finite; of one image."""
        logits = to_numpy(sample['permutation_logits'])
        if not np.isfinite(logits).all():
            return 0.0, 0.0, 0.0
        matches = permutation_matches(
            logits[None], to_numpy(sample['permutation'])[None]
        )
        return float(matches.mean()), float(matches.all()), 1.0

    def compute_metrics(self, results):
        """Average over images.

        Args:
            results (list[tuple]): What :meth:`process` kept, of all ranks.

        Returns:
            dict[str, float]: Percent.
        """
        modality, stripe, exact, finite = np.array(results, np.float64).T
        if not finite.all():
            print_log(
                f'PermutationAccuracy: the logits of {int((1 - finite).sum())}'
                f' of {len(finite)} images are NaN or Inf; they count as '
                'wrong.',
                'current',
                logging.WARNING,
            )
        parts = {'': np.ones(len(modality), dtype=bool)}
        for number, name in enumerate(MODALITY_NAMES):
            parts[f'{name}_'] = modality == number
        return {
            f'{name}{measure}_acc': float(100 * values[rows].mean())
            for name, rows in parts.items()
            if rows.any()
            for measure, values in (('stripe', stripe), ('exact', exact))
        }
