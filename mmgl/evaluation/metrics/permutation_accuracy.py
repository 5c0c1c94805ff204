"""Metric of the pretext task: are shuffled stripes put back in place?"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmgl.evaluation.permutation import permutation_matches
from mmgl.evaluation.ranking import to_numpy
from mmgl.registry import METRICS
from mmgl.structures.modality import MODALITY_NAMES


@METRICS.register_module()
class PermutationAccuracy(BaseMetric):  # type: ignore[misc]
    """Share of stripes, and of whole images, put back in their true place.

    The permutation is read off the noise-free logits by Hungarian matching
    (MMGL, section on permutation recovery; Mena et al., ICLR 2018). In
    percent: 'permutation/stripe_acc', 'permutation/exact_acc', and each with
    'visible_' and 'infrared_' before the name if images of that modality were
    seen. Guessing gives 1 / N and 1 / N! for N stripes.

    An image whose logits are not finite counts as wrong, with a warning: early
    in training running statistics lag behind the weights, and a network that
    is sound in training mode may overflow in evaluation.
    """

    default_prefix = 'permutation'

    def process(
        self, data_batch: object, data_samples: Sequence[Mapping[str, Any]]
    ) -> None:
        """Match the permutations of a batch.

        Samples have permutation_logits (N, N), permutation (N,), modality.
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
    def _score(sample: Mapping[str, Any]) -> tuple[float, float, float]:
        """Share of right stripes, all right, finite; of one image."""
        logits = to_numpy(sample['permutation_logits'])
        if not np.isfinite(logits).all():
            return 0.0, 0.0, 0.0
        matches = permutation_matches(
            logits[None], to_numpy(sample['permutation'])[None]
        )
        return float(matches.mean()), float(matches.all()), 1.0

    def compute_metrics(
        self, results: list[tuple[int, float, float, float]]
    ) -> dict[str, float]:
        """Average over the images of all ranks, in percent."""
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
