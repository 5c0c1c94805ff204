import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matlab_like import (
    CAMERAS,
    PLACE,
    as_arrays,
    official,
    random_cells,
    score,
    write_cameras,
    write_split,
)
from scipy.io import savemat

from mmgl.apis.scoring import evaluate_features
from mmgl.evaluation.details import Details
from mmgl.evaluation.documents import read_report, searches_of, show_report
from mmgl.evaluation.features_io import FeatureSet, save_features
from mmgl.evaluation.file_reports import report_regdb, report_sysu
from mmgl.evaluation.ranking import Reranking, reranked_distances
from mmgl.evaluation.reports import evaluate_regdb, report_document
from mmgl.utils.errors import ConfigError

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/eval_features.py'
KEYS = [
    'all_search_1shot',
    'all_search_10shot',
    'indoor_search_1shot',
    'indoor_search_10shot',
]


@pytest.fixture(scope='module')
def main():
    spec = importlib.util.spec_from_file_location('eval_features', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture(scope='module')
def sysu(tmp_path_factory):
    root = tmp_path_factory.mktemp('sysu')
    cells, perms, ids = random_cells(
        np.random.default_rng(5),
        ids=7,
        least=10,
        most=13,
        levels=2,
        absent=0.15,
    )
    write_split(root, perms, ids, 10)
    (root / 'mat').mkdir()
    write_cameras(root / 'mat', cells, 10)
    save_features(
        root / 'all.npz', FeatureSet(*as_arrays(cells, range(1, 11)))
    )
    return root, cells, perms, ids


@pytest.mark.parametrize('source', ['mat', 'mat/feat_net', 'all.npz'])
def test_sysu_tool_follows_official_code(sysu, source, main, tmp_path, capsys):
    root, cells, perms, ids = sysu
    out = tmp_path / 'deep' / 'metrics.json'
    main(
        [
            '--protocol',
            'sysu',
            '--features',
            str(root / source),
            '--data-root',
            str(root),
            '--out',
            str(out),
        ]
    )
    report = json.loads(out.read_text())
    settings = report.pop('settings')
    assert settings['ties'] == 'gallery_order'
    assert settings['open_set'] == {'calibrated': None}
    assert list(report) == KEYS
    for key, part in report.items():
        mode, _, shots = key.split('_')
        for trial, found in enumerate(part['trials']):
            expected = official(
                cells, perms, ids, mode, int(shots.removesuffix('shot')), trial
            )
            assert set(found) == {*expected, 'TPIR1', 'TPIR10'}
            closed = {name: found[name] for name in expected}
            assert closed == pytest.approx(expected, abs=1e-12)
            assert found['TPIR1'] <= found['TPIR10'] <= found['r1']
        values = [trial['mINP'] for trial in part['trials']]
        assert part['std']['mINP'] == pytest.approx(np.std(values, ddof=1))
    table = capsys.readouterr().out
    part = report[KEYS[0]]
    mean, std = (100 * part[name]['mINP'] for name in ('mean', 'std'))
    assert f'{mean:.2f} ± {std:.2f}' in table and 'operating curve' in table


def test_data_root_may_be_exp_itself(sysu, tmp_path):
    root = sysu[0]
    first = report_sysu(root / 'all.npz', root, ties='expected')
    second = report_sysu(root / 'all.npz', root / 'exp', ties='expected')
    assert first == second
    assert first['settings']['ties'] == 'expected'
    with pytest.raises(FileNotFoundError, match=r'rand_perm_cam\.mat'):
        report_sysu(root / 'all.npz', tmp_path)


def test_images_the_permutations_do_not_know_are_left_out(tmp_path):
    """An empty permutation hides an identity under that camera."""
    cells, perms, ids = random_cells(
        np.random.default_rng(6), ids=6, least=10, most=11, absent=0
    )
    del perms[3][ids[0]], perms[4][ids[1]]
    write_split(tmp_path, perms, ids, 9)
    save_features(tmp_path / 'a.npz', FeatureSet(*as_arrays(cells, ids)))
    with pytest.warns(UserWarning, match=rf'\(3, {ids[0]}\), \(4, {ids[1]}\)'):
        report = report_sysu(tmp_path / 'a.npz', tmp_path)
    expected = official(cells, perms, ids, 'all', 1, 0)
    assert report[KEYS[0]]['trials'][0] == pytest.approx(expected, abs=1e-12)


def test_missing_test_identity_is_an_error(sysu, tmp_path):
    root, cells, _, ids = sysu
    save_features(
        tmp_path / 'part.npz', FeatureSet(*as_arrays(cells, ids[1:]))
    )
    with pytest.raises(ValueError, match=rf'identities \[{ids[0]}\]'):
        report_sysu(tmp_path / 'part.npz', root)


def regdb_trial(seed, trial):
    rng = np.random.default_rng(seed)
    pids, modality = np.tile(np.arange(6), 6), np.repeat([0, 1], 18)
    index = np.tile(np.repeat([1, 2, 3], 6), 2)
    return FeatureSet(
        rng.normal(size=(36, 4)),
        pids,
        modality + 1,
        modality,
        index,
        trial=trial,
    )


def test_regdb_folder_pattern_and_file(main, tmp_path):
    sets = {trial: regdb_trial(trial, trial) for trial in (10, 2, 1)}
    for number, (trial, one) in enumerate(sets.items()):
        save_features(tmp_path / f'f{number}_{trial}.npz', one)
    out = tmp_path / 'metrics.json'
    for given in (tmp_path, tmp_path / 'f*.npz'):
        main(
            [
                '--protocol',
                'regdb',
                '--features',
                str(given),
                '--out',
                str(out),
            ]
        )
        report = json.loads(out.read_text())
        assert report['settings']['trials'] == [1, 2, 10]
        for key in ('visible_to_infrared', 'infrared_to_visible'):
            for trial, row in zip(
                (1, 2, 10), report[key]['trials'], strict=True
            ):
                one = sets[trial]
                expected = evaluate_regdb(
                    one.features, one.pids, one.modality, 'euclidean'
                )
                wanted = report_document(expected)[key]['mean']
                assert {name: row[name] for name in wanted} == wanted
    alone = report_regdb(tmp_path / 'f1_2.npz')
    assert len(alone['infrared_to_visible']['trials']) == 1
    assert '±' not in show_report(alone)


def test_regdb_files_must_name_different_trials(tmp_path):
    with pytest.raises(FileNotFoundError):
        report_regdb(tmp_path)
    save_features(tmp_path / 'a.npz', regdb_trial(0, 1))
    save_features(tmp_path / 'b.npz', regdb_trial(1, 1))
    with pytest.raises(ValueError, match=r'b\.npz: trial 1'):
        report_regdb(tmp_path)
    save_features(tmp_path / 'b.npz', regdb_trial(1, None))
    with pytest.raises(ValueError, match=r'b\.npz has no field trial'):
        report_regdb(tmp_path)


def test_sysu_needs_a_data_root(main):
    with pytest.raises(SystemExit):
        main(['--protocol', 'sysu', '--features', 'x.npz'])


def test_every_gallery_is_reranked_by_its_own_images(tmp_path):
    """Each of the ten draws, on its own gallery, beside the plain figures."""
    root = tmp_path
    cells, perms, ids = random_cells(
        np.random.default_rng(9), ids=6, least=10, most=11, absent=0.1
    )
    write_split(root, perms, ids, 9)
    save_features(root / 'all.npz', FeatureSet(*as_arrays(cells, ids)))
    how = Reranking(5, 2, 0.2)
    report = report_sysu(root / 'all.npz', root, details=Details(how))
    plain = report_sysu(root / 'all.npz', root)
    assert report.pop('settings') == plain.pop('settings')
    assert list(report)[::2] == KEYS
    for key in KEYS:
        assert report[key] == plain[key]
        mode, _, shots = key.split('_')
        cameras = [cam for cam in CAMERAS[mode] if cells[cam]]
        for trial in (0, 7):
            galleries, labels = [], []
            for cam in cameras:
                for pid in sorted(set(ids) & set(perms[cam])):
                    numbers = perms[cam][pid][trial][: int(shots[:-4])] - 1
                    galleries.append(cells[cam][pid][numbers])
                    labels += [(pid, PLACE[cam])] * len(numbers)
            asked = [
                (pid, cam, row)
                for cam in (3, 6)
                for pid in sorted(set(ids) & set(perms[cam]))
                for row in cells[cam][pid]
            ]
            distances = reranked_distances(
                np.array([row for *_, row in asked]),
                np.concatenate(galleries),
                'euclidean',
                how,
            )
            queries = [(pid, PLACE[cam]) for pid, cam, _ in asked]
            _, ap, inp = score(
                distances.rows(np.arange(len(asked))).tolist(), queries, labels
            )
            found = report[f'{key}_reranked']['trials'][trial]
            assert found['mAP'] == pytest.approx(ap, abs=1e-12)
            assert found['mINP'] == pytest.approx(inp, abs=1e-12)


def test_options_add_their_figures(sysu, main, tmp_path, capsys):
    root, cells, perms, ids = sysu
    others = sorted(set(range(1, 11)) - set(ids))
    savemat(root / 'exp/val_id.mat', dict(id=np.array([others])))
    arrays = as_arrays(cells, range(1, 11))
    noise = np.random.default_rng(1).normal(size=arrays[0].shape)
    worse = FeatureSet(arrays[0] + 2 * noise, *arrays[1:])
    save_features(tmp_path / 'worse.npz', worse)
    out = tmp_path / 'metrics.json'
    words = '--protocol sysu --features {0}/all.npz --data-root {0} --rerank '
    words += 'k1=5 k2=2 --calibrate {0}/all.npz --bootstrap 50 --seed 3 '
    words += '--against {1}/worse.npz --out {1}/metrics.json'
    main(words.format(root, tmp_path).split())
    report = json.loads(out.read_text())
    settings = report['settings']
    assert settings['rerank'] == {'k1': 5, 'k2': 2, 'lambda': 0.3}
    assert settings['bootstrap'] == {'samples': 50, 'seed': 3}
    assert settings['against'].endswith('worse.npz')
    assert settings['open_set'] == {'calibrated': f'{root}/all.npz'}
    both = [f'{key}{end}' for key in KEYS for end in ('', '_reranked')]
    assert sorted(searches_of(report)) == sorted(both)
    for key, part in searches_of(report).items():
        assert all(0 <= value <= 1 for value in part['mean'].values())
        for name, (low, high) in part['interval'].items():
            assert low <= part['mean'][name] + 0.2 and low <= high
        gap = part['against']['mAP']
        assert 0 < gap['p'] <= 1
        assert gap['interval'][0] <= gap['interval'][1]
        assert ('FPIR10' in part['mean']) == ('reranked' not in key)
    text = capsys.readouterr().out
    assert 'FPIR is what they lead to here' in text
    assert re.search(r'all_search_1shot_reranked *\| 10 ', text)
    assert '95 % intervals' in text and ', p = ' in text
    metrics, _ = read_report(out)
    wanted = report['indoor_search_10shot']['mean']['r5']
    assert metrics['indoor_multi/rank5'] == 100 * wanted
    wanted = report['all_search_1shot_reranked']['mean']['mAP']
    assert metrics['all_single_reranked/mAP'] == 100 * wanted


def test_two_reports_of_regdb_are_compared_trial_by_trial(main, tmp_path):
    for place, names in (('a', ('1', '2')), ('b', ('z', 'y'))):
        (tmp_path / place).mkdir()
        for trial, name in zip((1, 2), names, strict=True):
            path = tmp_path / place / f'{name}.npz'
            save_features(path, regdb_trial(trial, trial))
    report = evaluate_features(
        tmp_path / 'a', 'regdb', against=tmp_path / 'b', bootstrap=20
    )
    for part in searches_of(report).values():
        assert part['against']['mAP']['difference'] == 0
    with pytest.raises(ConfigError, match='same trials'):
        evaluate_features(
            tmp_path / 'a', 'regdb', against=tmp_path / 'b/z.npz'
        )


@pytest.mark.parametrize('wrong', ['k1', 'k1=x', 'k1=nan', 'k9=1', 'k1=0'])
def test_a_wrong_setting_of_the_reranking_is_named(
    wrong, main, tmp_path, capsys
):
    save_features(tmp_path / 'a.npz', regdb_trial(0, 1))
    words = f'--protocol regdb --features {tmp_path}/a.npz --rerank {wrong}'
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2 and 'rerank' in capsys.readouterr().err
