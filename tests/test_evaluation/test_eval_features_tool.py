import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from matlab_like import (
    as_arrays,
    official,
    random_cells,
    write_cameras,
    write_split,
)

from mmgl.evaluation.features_io import FeatureSet, save_features
from mmgl.evaluation.file_reports import (
    report_regdb,
    report_sysu,
    report_table,
)
from mmgl.evaluation.reports import evaluate_regdb, report_document

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
    assert report.pop('settings')['ties'] == 'gallery_order'
    assert list(report) == KEYS
    for key, part in report.items():
        mode, _, shots = key.split('_')
        for trial, found in enumerate(part['trials']):
            expected = official(
                cells, perms, ids, mode, int(shots.removesuffix('shot')), trial
            )
            assert found == pytest.approx(expected, abs=1e-12)
    table = capsys.readouterr().out
    assert f'{100 * report[KEYS[0]]["mean"]["mINP"]:.2f}' in table


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
                assert row == report_document(expected)[key]['mean']
    alone = report_regdb(tmp_path / 'f1_2.npz')
    assert len(alone['infrared_to_visible']['trials']) == 1
    assert len(report_table(alone)) == 3


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
