import json

import numpy as np
import pytest
import torch
from matlab_like import as_arrays, random_cells

from mmgl.evaluation import evaluate_cross
from mmgl.evaluation.details import Details
from mmgl.evaluation.features_io import load_features
from mmgl.evaluation.ranking import Reranking
from mmgl.evaluation.reports import (
    evaluate_regdb,
    evaluate_sysu,
    mean_over_trials,
    report_document,
)
from mmgl.registry import METRICS
from mmgl.structures import ReIDDataSample

NAMES = dict(
    r1='rank1', r5='rank5', r10='rank10', r20='rank20', mAP='mAP', mINP='mINP'
)


@pytest.fixture(scope='module')
def data():
    cells, perms, ids = random_cells(
        np.random.default_rng(0), ids=6, least=10, most=11, absent=0
    )
    features, *labels = as_arrays(cells, ids)
    return (
        features.astype(np.float32),
        *labels,
        {
            cam: {pid: entries[pid] for pid in ids}
            for cam, entries in perms.items()
        },
    )


def feed(metric, features, pids, camids, modality, index, size=32):
    samples = []
    for n in range(len(features)):
        one = ReIDDataSample(
            pid=int(pids[n]),
            camid=int(camids[n]),
            modality=int(modality[n]),
            index=int(index[n]),
            feature=torch.from_numpy(features[n]),
        )
        one.set_metainfo(dict(img_path=f'{n}.jpg'))
        samples.append(one.to_dict())
    for start in range(0, len(samples), size):
        metric.process(None, samples[start : start + size])
    return metric.evaluate(len(samples))


def test_sysu_all_modes_in_percent(data, tmp_path):
    *arrays, perms = data
    metric = METRICS.build(
        dict(
            type='ReIDMetric',
            protocol='sysu',
            out=str(tmp_path / 'm/out.json'),
            dump=str(tmp_path / 'd/dump.npz'),
        )
    )
    metric.dataset_meta = dict(
        dataset='sysu', split='val_test', rand_perm_cam=perms
    )
    found = feed(metric, *arrays)
    report = report_document(evaluate_sysu(*arrays, perms))
    expected = {
        f'{mode}_{shots}/{name}': 100
        * report[f'{mode}_search_{number}shot']['mean'][key]
        for mode in ('all', 'indoor')
        for shots, number in (('single', 1), ('multi', 10))
        for key, name in NAMES.items()
    }
    assert found == pytest.approx(expected, abs=1e-9)
    assert list(found)[0] == 'all_single/rank1'
    assert all(type(value) is float for value in found.values())
    written = json.loads((tmp_path / 'm/out.json').read_text())
    assert written.pop('settings')['draw'] == 'official'
    assert written == report
    dump = load_features(tmp_path / 'd/dump.npz')
    assert np.array_equal(dump.features, arrays[0])
    assert np.array_equal(dump.pids, arrays[1])
    assert dump.img_paths[3] == '3.jpg'


def test_regdb_both_directions(data, tmp_path):
    features, pids, camids, modality, index, _ = data
    metric = METRICS.build(
        dict(
            type='ReIDMetric',
            protocol='regdb',
            dump=str(tmp_path / 'dump.npz'),
        )
    )
    metric.dataset_meta = dict(dataset='regdb', trial=3)
    found = feed(metric, features, pids, camids, modality, index)
    report = report_document(evaluate_regdb(features, pids, modality))
    for direction, part in report.items():
        for key, name in NAMES.items():
            assert found[f'{direction}/{name}'] == pytest.approx(
                100 * part['mean'][key]
            )
    assert len(found) == 12
    assert load_features(tmp_path / 'dump.npz').trial == 3


def test_more_than_the_usual_figures(data):
    *arrays, perms = data
    metric = METRICS.build(
        dict(
            type='ReIDMetric',
            modes=['all'],
            shots=[1],
            trials=2,
            rerank=dict(k1=4, k2=2),
            open_set=True,
        )
    )
    metric.dataset_meta = dict(dataset='sysu', rand_perm_cam=perms)
    found = feed(metric, *arrays)
    details = Details(Reranking(4, 2), open_set=True)
    trials = evaluate_sysu(*arrays, perms, ('all',), (1,), 2, details=details)
    assert found == {k: 100 * v for k, v in mean_over_trials(trials).items()}
    assert len(found) == 6 + 2 + 6
    assert 0 < found['all_single/TPIR10'] <= found['all_single/rank1']
    assert found['all_single_reranked/mAP'] != found['all_single/mAP']
    settings = metric.document['settings']
    assert settings['rerank'] == {'k1': 4, 'k2': 2, 'lambda': 0.3}
    assert settings['open_set'] == {'calibrated': None}
    with pytest.raises(ValueError, match='rerank'):
        METRICS.build(dict(type='ReIDMetric', rerank=dict(k3=1)))


def test_options_are_handed_on(data):
    *arrays, perms = data
    metric = METRICS.build(
        dict(
            type='ReIDMetric',
            modes=['indoor'],
            shots=[2],
            trials=2,
            gallery_draw='random_seeded',
            distance='euclidean',
        )
    )
    metric.dataset_meta = dict(dataset='sysu')
    found = feed(metric, *arrays)
    trials = evaluate_sysu(
        *arrays,
        modes=['indoor'],
        shots=[2],
        trials=2,
        draw='random_seeded',
        distance='euclidean',
    )
    report = report_document(trials)['indoor_search_2shot']['mean']
    assert found['indoor_2shot/mAP'] == pytest.approx(100 * report['mAP'])
    assert len(found) == 6


def test_own_data_is_scored_as_the_error_says(data, tmp_path):
    *arrays, _ = data
    metric = METRICS.build(dict(type='ReIDMetric'))
    metric.dataset_meta = dict(dataset='mine')
    with pytest.raises(ValueError, match="set protocol='cross'"):
        feed(metric, *arrays)
    files = dict(out=str(tmp_path / 'a.json'), dump=str(tmp_path / 'a.npz'))
    metric = METRICS.build(dict(type='ReIDMetric', protocol='cross', **files))
    # Infrared images are queries only, visible ones the gallery.
    role = np.where(arrays[3] == 1, 1, 2)
    roles = np.stack([*arrays[1:], role], axis=1)
    metric.dataset_meta = dict(dataset='mine', roles=roles)
    found = feed(metric, *arrays)
    (expected,) = evaluate_cross(*arrays, role=role)
    assert len(found) == 6
    assert found == pytest.approx({k: 100 * v for k, v in expected.items()})
    assert load_features(files['dump']).role.tolist() == role.tolist()
    settings = json.loads((tmp_path / 'a.json').read_text())['settings']
    assert settings['same_camera'] == 'ignore_person'


def test_errors_say_what_to_do(data):
    *arrays, perms = data
    for key, value in dict(
        protocol='market',
        modes='all',
        shots=(),
        gallery_draw='ye',
        distance='l1',
        ties='lucky',
        trials=0,
    ).items():
        with pytest.raises(ValueError, match=key):
            METRICS.build(dict(type='ReIDMetric', **{key: value}))
    metric = METRICS.build(dict(type='ReIDMetric'))
    with pytest.raises(ValueError, match='lacks feature'):
        metric.process(None, [dict(pid=1, camid=1, modality=0, index=1)])
    metric.dataset_meta = dict(dataset='regdb')
    with pytest.raises(ValueError, match="set protocol='regdb'"):
        feed(metric, *arrays)
    metric = METRICS.build(dict(type='ReIDMetric', shots=(12,)))
    metric.dataset_meta = dict(dataset='sysu', rand_perm_cam=perms)
    with pytest.raises(ValueError, match='identity .* camera .*12 shots'):
        feed(metric, *arrays)
