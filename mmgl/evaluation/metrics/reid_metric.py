"""Metric of the two visible-infrared ReID benchmarks."""

import json
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import all_gather_object, is_main_process
from mmengine.evaluator import BaseMetric

from mmgl.evaluation.features_io import FeatureSet, save_features
from mmgl.evaluation.ranking.distances import DISTANCES
from mmgl.evaluation.ranking.scoring import TIE_RULES
from mmgl.evaluation.reports import evaluate_regdb, evaluate_sysu, report_key
from mmgl.protocols.galleries import DRAWS
from mmgl.protocols.sysu import GALLERY_CAMERAS
from mmgl.registry import METRICS
from mmgl.version import __version__

from .row_gathering import gather_rows, share_of_rank

PROTOCOLS = ('sysu', 'regdb')
_SHOT_NAMES = {1: 'single', 10: 'multi'}
_MEASURES = {
    'r1': 'rank1',
    'r5': 'rank5',
    'r10': 'rank10',
    'r20': 'rank20',
    'mAP': 'mAP',
    'mINP': 'mINP',
}
_LABELS = ('pid', 'camid', 'modality', 'index')


@METRICS.register_module()
class ReIDMetric(BaseMetric):
    """CMC, mAP and mINP by the SYSU-MM01 or the RegDB protocol.

    All modes, shot numbers and trials are scored from one pass over the
    test images; see docs/evaluation.md for the definitions. Returns python
    floats in percent: 'all_single/rank1', 'indoor_multi/mAP', ... or
    'visible_to_infrared/rank1', ...; for SYSU-MM01 means over the trials.

    Args:
        protocol (str): 'sysu' or 'regdb'.
        modes (tuple[str]): SYSU-MM01: 'all', 'indoor'.
        shots (tuple[int]): SYSU-MM01: 1 (single), 10 (multi).
        trials (int): SYSU-MM01: number of gallery draws.
        gallery_draw (str): SYSU-MM01: 'official' (``rand_perm_cam.mat``,
            handed over in the meta information of the data set) or
            'random_seeded'.
        distance (str): 'cosine' or 'euclidean'.
        ties (str): 'expected' or 'gallery_order'.
        out (str, optional): JSON file for the figures of every trial, as
            fractions.
        dump (str, optional): .npz file for the features.
        collect_device (str): 'cpu', or 'gpu' to leave the features on the
            GPU and rank them there (cosine distance).
        prefix (str, optional): See mmengine's ``BaseMetric``.

    Raises:
        ValueError: For an unknown option, and at the end of a test for
            features that cannot be scored.
    """

    def __init__(
        self,
        protocol='sysu',
        modes=('all', 'indoor'),
        shots=(1, 10),
        trials=10,
        gallery_draw='official',
        distance='cosine',
        ties='expected',
        out=None,
        dump=None,
        collect_device='cpu',
        prefix=None,
    ):
        super().__init__(collect_device=collect_device, prefix=prefix)
        for name, value, choices in (
            ('protocol', (protocol,), PROTOCOLS),
            ('modes', modes, tuple(GALLERY_CAMERAS)),
            ('gallery_draw', (gallery_draw,), DRAWS),
            ('distance', (distance,), DISTANCES),
            ('ties', (ties,), TIE_RULES),
        ):
            if isinstance(value, str) or not set(value) <= set(choices):
                raise ValueError(
                    f'ReIDMetric: {name}={value!r}; choose from {choices}.'
                )
        if not modes or not shots or min(shots) < 1 or trials < 1:
            raise ValueError(
                f'ReIDMetric: modes={modes!r}, shots={shots!r}, '
                f'trials={trials!r}; give at least one mode, and shots and '
                'trials of 1 or more.'
            )
        self.protocol, self.trials = protocol, trials
        self.modes, self.shots = tuple(modes), tuple(shots)
        self.gallery_draw = gallery_draw
        self.distance, self.ties = distance, ties
        self.out, self.dump = out, dump

    def process(self, data_batch, data_samples):
        """Keep features and labels of a batch.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): With feature (D,), pid, camid,
                modality, index and, for the dump, img_path.
        """
        for sample in data_samples:
            missing = [
                name
                for name in ('feature', *_LABELS)
                if sample.get(name) is None
            ]
            if missing:
                raise ValueError(
                    f'ReIDMetric: a data sample lacks {", ".join(missing)} '
                    f'(it has {sorted(sample)}); use a test split and a '
                    'model whose predict mode sets the feature.'
                )
        features = torch.stack(
            [
                torch.as_tensor(sample['feature']).detach().float()
                for sample in data_samples
            ]
        )
        if self.collect_device == 'cpu':
            features = features.cpu()
        good = torch.isfinite(features).all(dim=1).tolist()
        if not all(good):
            wrong = [
                str(sample.get('img_path', 'an image'))
                for sample, fine in zip(data_samples, good, strict=True)
                if not fine
            ]
            raise ValueError(
                f'ReIDMetric: NaN or Inf in the features of {len(wrong)} of '
                f'{len(good)} images of a batch: {", ".join(wrong[:10])}. '
                'Check that training did not diverge.'
            )
        labels = torch.tensor(
            [
                [int(sample[name]) for name in _LABELS]
                for sample in data_samples
            ]
        )
        paths = []
        if self.dump:
            paths = [str(one.get('img_path', '')) for one in data_samples]
        self.results.append((features, labels, paths))

    def evaluate(self, size):
        """Score the images of all processes; each ranks a share of them.

        Args:
            size (int): Number of images of the data set. Images beyond it
                are repetitions that a sampler added.

        Returns:
            dict[str, float]: Percent, the same in all processes.

        Raises:
            ValueError: If images are missing or appear twice.
        """
        feature_set = self._gather(size)
        metrics = self.compute_metrics(feature_set)
        if self.prefix:
            metrics = {
                f'{self.prefix}/{name}': value
                for name, value in metrics.items()
            }
        return metrics

    def compute_metrics(self, results):
        """Score the features of all images.

        Args:
            results (FeatureSet): All images of the data set, once each.

        Returns:
            dict[str, float]: Percent.
        """
        meta = self.dataset_meta or {}
        if self.dump and is_main_process():
            save_features(self.dump, results)
        report = self._report(results, meta)
        if self.out and is_main_process():
            self._write(report, meta)
        return {
            f'{self._name(key)}/{name}': 100 * part['mean'][measure]
            for key, part in report.items()
            for measure, name in _MEASURES.items()
        }

    def _gather(self, size):
        """Put together what :meth:`process` kept in all processes."""
        meta = self.dataset_meta or {}
        found = meta.get('dataset', self.protocol)
        if found != self.protocol:
            raise ValueError(
                f'ReIDMetric: protocol={self.protocol!r} but the data set is '
                f'{found!r}; set protocol={found!r} in the evaluator.'
            )
        features = [batch[0] for batch in self.results]
        labels = [batch[1] for batch in self.results]
        paths = sum((batch[2] for batch in self.results), [])
        self.results.clear()
        features = gather_rows(features, size)
        labels = gather_rows(labels, size).numpy()
        distinct = len(np.unique(labels, axis=0))
        if distinct < size:
            raise ValueError(
                f'ReIDMetric: {size - distinct} of {size} images appear '
                f'twice (equal {", ".join(_LABELS)}); a sampler must deal '
                'out each image once.'
            )
        if self.dump:
            paths = all_gather_object(paths)
            whole = np.empty(size, dtype=object)
            for rank, part in enumerate(paths):
                place = whole[rank :: len(paths)]
                place[:] = part[: len(place)]
            paths = whole.astype(str)
        columns = dict(zip(_LABELS, labels.T, strict=True))
        return FeatureSet(
            features=(
                features.numpy() if features.device.type == 'cpu' else features
            ),
            pids=columns['pid'],
            camids=columns['camid'],
            modality=columns['modality'],
            index=columns['index'],
            img_paths=paths if self.dump else None,
            trial=meta.get('trial'),
        )

    def _report(self, data, meta):
        if self.protocol == 'regdb':
            return evaluate_regdb(
                data.features,
                data.pids,
                data.modality,
                self.distance,
                self.ties,
                share_of_rank(),
            )
        return evaluate_sysu(
            data.features,
            data.pids,
            data.camids,
            data.modality,
            data.index,
            meta.get('rand_perm_cam'),
            self.modes,
            self.shots,
            self.trials,
            self.gallery_draw,
            self.distance,
            self.ties,
            share_of_rank(),
        )

    def _name(self, key):
        names = {
            report_key(
                mode, shots
            ): f'{mode}_{_SHOT_NAMES.get(shots, f"{shots}shot")}'
            for mode in self.modes
            for shots in self.shots
        }
        return names.get(key, key)

    def _write(self, report, meta):
        settings = dict(
            protocol=self.protocol,
            distance=self.distance,
            ties=self.ties,
            split=meta.get('split'),
            version=__version__,
        )
        if self.protocol == 'regdb':
            settings['trials'] = [meta.get('trial')]
        else:
            settings['draw'] = self.gallery_draw
        path = Path(self.out)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps({**report, 'settings': settings}, indent=2) + '\n'
        )
