"""Metric of visible-infrared ReID: the benchmarks, and one's own data."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mmengine.dist import all_gather_object, is_main_process
from mmengine.evaluator import BaseMetric

from mmgl.evaluation import reports
from mmgl.evaluation.cross_reports import evaluate_cross, evaluate_llcm
from mmgl.evaluation.details import Details
from mmgl.evaluation.features_io import NPZ_FIELDS, FeatureSet, save_features
from mmgl.evaluation.ranking import (
    DISTANCES,
    TIE_RULES,
    Reranking,
    check_choice,
)
from mmgl.evaluation.ranking.options import CMC_KINDS
from mmgl.evaluation.sysu_searches import check_searches
from mmgl.protocols.cross import check_search, find_roles
from mmgl.protocols.galleries import DRAWS
from mmgl.protocols.sysu import TRIALS
from mmgl.registry import METRICS
from mmgl.utils.errors import ConfigError
from mmgl.utils.files import check_output, write_json

from .row_gathering import gather_rows, share_of_rank

# With the shots of a report, where the gallery is drawn.
SHOTS = {'sysu': (1, 10), 'regdb': (), 'llcm': (1,), 'cross': (0,)}
_LABELS = ('pid', 'camid', 'modality', 'index')
_FIELDS = ('feature', *_LABELS)


@METRICS.register_module()
class ReIDMetric(BaseMetric):  # type: ignore[misc]
    """CMC, mAP and mINP by the protocol of a benchmark, or one of one's own.

    All modes, shot numbers and trials are scored from one pass over the
    test images; see docs/evaluation.md for the definitions. In percent:
    'all_single/rank1', 'indoor_multi/mAP', ... (means over the trials) or
    'visible_to_infrared/rank1', ....

    Args:
        protocol: 'sysu', 'regdb', 'llcm', or 'cross', for any data set, see
            :func:`mmgl.evaluation.evaluate_cross`.
        modes: SYSU-MM01: of 'all', 'indoor'.
        shots: Gallery images of each person and camera. SYSU-MM01: by default
            1 (single) and 10 (multi); cross: by default 0, which is all.
        trials: SYSU-MM01, cross: number of gallery draws.
        gallery_draw: SYSU-MM01: 'official' (``rand_perm_cam.mat``, handed
            over in the meta information of the data set) or 'random_seeded'.
        directions: Cross: such as 'infrared_to_visible'; None are both.
        same_camera: Cross: what a query does not see of its own camera.
        cmc: Cross: whether images or persons are counted.
        distance: 'cosine' or 'euclidean'.
        ties: 'expected' or 'gallery_order'.
        rerank: True, or some of k1=20, k2=6, lambda=0.3: score every gallery
            re-ranked, too; 'all_single_reranked/mAP', ....
        open_set: TPIR at FPIR of 1 % and 10 %, too: 'all_single/TPIR1', ....
        out: JSON file for the figures of every trial, as fractions.
        dump: .npz file for the features.
        collect_device: 'cpu', or 'gpu' to leave the features on the GPU and
            rank them there (cosine distance).
        prefix: See mmengine's ``BaseMetric``.

    Example:
        >>> metric = ReIDMetric('sysu', ['all'], shots=[1], prefix='test')
        >>> metric.trials, metric.distance
        (10, 'cosine')
    """

    def __init__(
        self,
        protocol: str = 'sysu',
        modes: Sequence[str] = ('all', 'indoor'),
        shots: Sequence[int] | None = None,
        trials: int = TRIALS,
        gallery_draw: str = 'official',
        directions: Sequence[str] | None = None,
        same_camera: str = 'ignore_person',
        cmc: str = 'standard',
        distance: str = 'cosine',
        ties: str = 'expected',
        rerank: bool | Mapping[str, float] | None = None,
        open_set: bool = False,
        out: str | None = None,
        dump: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_choice('protocol', protocol, SHOTS)
        if shots is None:
            shots = SHOTS[protocol]
        if protocol == 'sysu':
            check_searches(modes, shots, trials)
        elif protocol == 'cross':
            check_search(directions, same_camera, shots, trials)
        check_choice('cmc', cmc, CMC_KINDS)
        check_choice('gallery_draw', gallery_draw, DRAWS)
        check_choice('distance', distance, DISTANCES)
        check_choice('ties', ties, TIE_RULES)
        self.protocol, self.trials = protocol, trials
        self.modes, self.shots = tuple(modes), tuple(shots)
        self.gallery_draw = gallery_draw
        self.directions, self.same_camera = directions, same_camera
        self.cmc = cmc
        self.distance, self.ties = distance, ties
        self.details = Details(Reranking.read(rerank), open_set)
        self.document: dict[str, Any] | None = None
        self.out, self.dump = out, dump
        for path, suffix in ((out, '.json'), (dump, '.npz')):
            if path is not None:
                check_output(path, (suffix,))

    def process(
        self, data_batch: object, data_samples: Sequence[Mapping[str, Any]]
    ) -> None:
        """Keep features and labels of a batch.

        Samples have feature (D,), pid, camid, modality, index and, for the
        dump, img_path.
        """
        for sample in data_samples:
            missing = [name for name in _FIELDS if sample.get(name) is None]
            if missing:
                raise ConfigError(
                    f'ReIDMetric: a data sample lacks {", ".join(missing)} '
                    f'(it has {sorted(sample)}); use a test split and a '
                    'model whose predict mode sets the feature.'
                )
        rows = [torch.as_tensor(one['feature']) for one in data_samples]
        features = torch.stack([row.detach().float() for row in rows])
        if self.collect_device == 'cpu':
            features = features.cpu()
        paths = [str(one.get('img_path', '')) for one in data_samples]
        good = torch.isfinite(features).all(dim=1).cpu().numpy()
        if not good.all():
            wrong = np.array(paths)[~good]
            raise ConfigError(
                f'ReIDMetric: NaN or Inf in the features of {len(wrong)} of '
                f'{len(good)} images of a batch: {", ".join(wrong[:10])}. '
                'Check that training did not diverge.'
            )
        labels = torch.tensor(
            [[int(one[name]) for name in _LABELS] for one in data_samples]
        )
        self.results.append((features, labels, paths if self.dump else []))

    def evaluate(self, size: int) -> dict[str, float]:
        """Score the images of all processes; each ranks a share of them.

        Images beyond ``size``, that of the data set, are repetitions that a
        sampler added. Missing images, and others that appear twice, are a
        ConfigError.
        """
        prefix = f'{self.prefix}/' if self.prefix else ''
        try:
            metrics = self.compute_metrics(self._gather(size))
        except ValueError as error:
            raise ConfigError(f'ReIDMetric: {error}') from error
        return {f'{prefix}{name}': value for name, value in metrics.items()}

    def compute_metrics(self, results: FeatureSet) -> dict[str, float]:
        """Score the features of all images, in percent."""
        meta = self.dataset_meta or {}
        if self.dump and is_main_process():
            save_features(self.dump, results)
        results.check_directions(self.distance)
        trials = self._report(results, meta)
        self.document = reports.report_document(trials, self._settings(meta))
        if self.out and is_main_process():
            write_json(self.out, self.document)
        means = reports.mean_over_trials(trials)
        return {name: 100 * value for name, value in means.items()}

    def _gather(self, size: int) -> FeatureSet:
        """Put together what :meth:`process` kept in all processes."""
        meta = self.dataset_meta or {}
        dataset = meta.get('dataset', self.protocol)
        right = dataset if dataset in SHOTS else 'cross'
        if self.protocol not in (right, 'cross'):
            raise ConfigError(
                f'protocol={self.protocol!r} but the data set is '
                f'{dataset!r}; set protocol={right!r} in the evaluator.'
            )
        batches, label_batches, paths = (
            [batch[part] for batch in self.results] for part in range(3)
        )
        self.results.clear()
        features: Any = gather_rows(batches, size)
        labels = gather_rows(label_batches, size).numpy()
        distinct = len(np.unique(labels, axis=0))
        if distinct < size:
            raise ConfigError(
                f'{size - distinct} of {size} images appear '
                f'twice (equal {", ".join(_LABELS)}); a sampler must deal '
                'out each image once.'
            )
        if features.device.type == 'cpu':
            features = features.numpy()
        columns: dict[str, Any] = dict(
            zip(NPZ_FIELDS, (features, *labels.T), strict=True)
        )
        return FeatureSet(
            **columns,
            img_paths=_gather_paths(paths, size) if self.dump else None,
            trial=meta.get('trial'),
            role=find_roles(labels, meta.get('roles')),
            seen=meta.get('history', ()),
        )

    def _report(
        self, data: FeatureSet, meta: Mapping[str, Any]
    ) -> reports.Trials:
        how = self.distance, self.ties, share_of_rank()
        images = data.features, *data.labels
        pids, details = meta.get('pids'), self.details
        if self.protocol == 'regdb':
            labels = None if pids is None else len(pids)
            columns = data.features, data.pids, data.modality
            return reports.evaluate_regdb(*columns, *how, labels, details)
        if self.protocol == 'llcm':
            return evaluate_llcm(*images, *how, details=details)
        if self.protocol == 'cross':
            search = self.directions, self.same_camera, self.shots, self.trials
            return evaluate_cross(
                *images, *search, self.cmc, *how, data.role, details=details
            )
        drawn = meta.get('rand_perm_cam'), self.modes, self.shots, self.trials
        return reports.evaluate_sysu(
            *images, *drawn, self.gallery_draw, *how, pids, details=details
        )

    def _settings(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """What :attr:`document`, the report of the last test, says of it."""
        settings: dict[str, Any] = dict(
            protocol=self.protocol,
            distance=self.distance,
            ties=self.ties,
            split=meta.get('split'),
        )
        if self.protocol == 'regdb':
            settings['trials'] = [meta.get('trial')]
        elif self.protocol == 'cross':
            settings.update(same_camera=self.same_camera, cmc=self.cmc)
        elif self.protocol == 'sysu':
            settings['draw'] = self.gallery_draw
        if self.details.rerank:
            settings['rerank'] = self.details.rerank.as_dict()
        if self.details.open_set:
            settings['open_set'] = dict(calibrated=None)
        if meta.get('seen'):
            settings['seen'] = meta['seen']
        return settings


def _gather_paths(batches: list[list[str]], size: int) -> npt.NDArray[np.str_]:
    """Put together the paths of all ranks, dealt out as the rows are."""
    parts = all_gather_object(sum(batches, []))
    whole = np.empty(size, dtype=object)
    for rank, part in enumerate(parts):
        place = whole[rank :: len(parts)]
        place[:] = part[: len(place)]
    return whole.astype(np.str_)
