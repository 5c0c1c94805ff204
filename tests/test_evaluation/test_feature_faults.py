"""Files of features that must not become a number."""

import json
import zipfile

import numpy as np
import pytest
from matlab_like import as_arrays, random_cells, write_cameras, write_split

from mmgl.apis.scoring import evaluate_features, run_scoring
from mmgl.evaluation.features_io import NPZ_FIELDS, FeatureSet, load_features
from mmgl.evaluation.file_reports import report_regdb, report_sysu
from mmgl.evaluation.metrics.reid_metric import ReIDMetric
from mmgl.evaluation.reports import evaluate_sysu
from mmgl.protocols.completeness import read_regdb_lists
from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list
from mmgl.utils.errors import ConfigError

CELLS, PERMS, IDS = random_cells(
    np.random.default_rng(1), ids=5, least=10, most=11, absent=0
)
MINE = {
    camid: {pid: rows[pid] for pid in IDS} for camid, rows in PERMS.items()
}
ARRAYS = dict(zip(NPZ_FIELDS, as_arrays(CELLS, IDS), strict=True))
INFRARED = ARRAYS['modality'] == 1


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """The split files of a whole test set."""
    root = tmp_path_factory.mktemp('world')
    write_split(root, PERMS, IDS, 8)
    return root


def write(path, arrays, **changes):
    np.savez(path, **{**arrays, **changes})
    return path


def refused(capsys, *arguments):
    """The one sentence that the tool ends with."""
    with pytest.raises(SystemExit) as ended:
        run_scoring([str(one) for one in arguments])
    assert ended.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith('error: ') and '\n' not in error
    assert 'Traceback' not in error
    return error


def sysu(path, root):
    return '--protocol', 'sysu', '--features', path, '--data-root', root


def changed(name, value, dtype=None):
    """The arrays with another value in row 3 of one of them."""
    array = ARRAYS[name].astype(dtype or ARRAYS[name].dtype)
    array[3] = value
    return {name: array}


def rows(arrays, kept):
    return {k: v[kept] if np.ndim(v) else v for k, v in arrays.items()}


FEATURES = ARRAYS['features']
EXTRA = {name: np.append(one, one[-1:], 0) for name, one in ARRAYS.items()}
EXTRA['index'][-1] = 99
PATHS = np.array(
    [
        f'cam{camid}/{pid:04d}/{number:04d}.jpg'
        for _, pid, camid, _, number in zip(*ARRAYS.values(), strict=True)
    ]
)
FAULTS = {
    'ids of 7.7': (changed('pids', 7.7, float), '7.7'),
    'an id of 0': (changed('pids', 0), 'from 1'),
    'an id of -3': (changed('pids', -3), '-3'),
    'NaN ids': (changed('pids', np.nan, float), 'whole'),
    'Inf ids': (changed('index', np.inf, float), 'whole'),
    'huge ids': (changed('pids', 2**63, np.uint64), 'whole'),
    'words as ids': (changed('pids', 'a', str), 'whole'),
    'a third modality': (changed('modality', 2), 'modality'),
    'exchanged modalities': (
        dict(modality=1 - ARRAYS['modality']),
        'modality disagrees',
    ),
    'camera 7': (changed('camids', 7), 'camid'),
    'NaN': (changed('features', np.nan), 'camera 1'),
    'Inf': (changed('features', -np.inf), 'Inf'),
    'half precision': (changed('features', np.inf, np.float16), '65504'),
    'words': (dict(features=FEATURES.astype(str)), 'numbers'),
    'complex': (dict(features=FEATURES.astype(complex)), 'numbers'),
    'objects': (dict(features=FEATURES.astype(object)), 'npz'),
    'a cube': (dict(features=FEATURES[..., None]), 'shape'),
    'no column': (dict(features=FEATURES[:, :0]), 'shape'),
    'no row': (rows(ARRAYS, slice(0)), 'shape'),
    'a number': (dict(features=np.float64(1)), 'features'),
    'a column': (dict(pids=ARRAYS['pids'][:, None]), 'pids has shape'),
    'a label too few': (dict(pids=ARRAYS['pids'][1:]), 'length'),
    'a repeated image': (rows(ARRAYS, [0, *range(len(FEATURES))]), 'repeated'),
    'a trial': (dict(trial=3), 'RegDB'),
    'half a trial': (dict(trial=3.5), 'trial'),
    'two trials': (dict(trial=[3, 4]), 'trial'),
    'paths of numbers': (dict(img_paths=ARRAYS['pids']), 'img_paths'),
    'paths of others': (dict(img_paths=np.roll(PATHS, 20)), 'another order'),
    'the last quarter lost': (
        rows(ARRAYS, slice(-len(FEATURES) // 4)),
        'missing',
    ),
    'queries of one person': (
        rows(ARRAYS, ~INFRARED | (ARRAYS['pids'] == IDS[0])),
        'missing',
    ),
    'one query lost': (rows(ARRAYS, slice(-1)), '1 of the'),
    'no gallery': (rows(ARRAYS, INFRARED), 'missing'),
    'no query': (rows(ARRAYS, ~INFRARED), 'no query'),
    'an image too many': (EXTRA, '1 others are not known'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_no_number_from_faulty_arrays(fault, root, tmp_path, capsys):
    changes, words = FAULTS[fault]
    path = write(tmp_path / 'a.npz', ARRAYS, **changes)
    error = refused(capsys, *sysu(path, root))
    assert words in error and str(path) in error


def test_features_say_what_was_seen(root, tmp_path, capsys):
    pids = np.unique(ARRAYS['pids']).tolist()
    seen = json.dumps([dict(dataset='sysu', split='all', pids=pids[:2])])
    path = write(tmp_path / 'a.npz', ARRAYS, seen=np.array(seen))
    error = refused(capsys, *sysu(path, root))
    assert f'has seen 2 of the {len(pids)} identities' in error
    report = evaluate_features(path, 'sysu', root, allow_seen=True)
    assert 'has seen 2 of' in report['settings']['seen']
    others = json.dumps([dict(dataset='sysu', pids=[max(pids) + 1])])
    path = write(tmp_path / 'a.npz', ARRAYS, seen=np.array(others))
    same = evaluate_features(path, 'sysu', root)
    del report['settings']['seen']
    assert same == report
    for wrong in ('{', '[1]', '3'):
        path = write(tmp_path / 'a.npz', ARRAYS, seen=np.array(wrong))
        assert 'the field seen' in refused(capsys, *sysu(path, root))


def test_zero_features_have_no_cosine(root, tmp_path, capsys):
    path = write(tmp_path / 'a.npz', ARRAYS, **changed('features', 0))
    error = refused(capsys, *sysu(path, root), '--distance', 'cosine')
    assert '1 of' in error and 'zero' in error
    with pytest.warns(UserWarning, match='zero in 1 of .* no direction'):
        report = report_sysu(path, root)
    assert report['all_search_1shot']['mean']['mAP'] > 0
    assert report['settings']['zero_features'] == 1
    with pytest.raises(ValueError, match='zero in 1 of'):
        score_by_metric(
            {**ARRAYS, **changed('features', 0)}, slice(None), 'sysu'
        )
    path = write(tmp_path / 'a.npz', ARRAYS, **changed('features', 1e200))
    assert 'too large' in refused(capsys, *sysu(path, root))


@pytest.mark.parametrize('scale', [1e-300, 1e-20, 1e20, 1e30, 1e300])
def test_scale_of_features_changes_no_cosine(scale):
    features, *labels = ARRAYS.values()
    (expected,) = evaluate_sysu(features, *labels, MINE, trials=1)
    dtypes = [float, np.float32] if 1e-30 < scale < 1e37 else [float]
    for dtype in dtypes:
        scaled = (features * scale).astype(dtype)
        (found,) = evaluate_sysu(scaled, *labels, MINE, trials=1)
        assert found == pytest.approx(expected, abs=1e-9)


def test_partial_is_asked_for_and_called_so(root, tmp_path, capsys):
    whole = report_sysu(write(tmp_path / 'a.npz', ARRAYS), root)
    kept = rows(ARRAYS, slice(-3))
    path = write(tmp_path / 'b.npz', kept)
    out = tmp_path / 'out.json'
    run_scoring([*map(str, sysu(path, root)), '--partial', '--out', str(out)])
    report = json.loads(out.read_text())
    names = [key for key in whole if key != 'settings']
    assert [*report] == [*(f'{name}_partial' for name in names), 'settings']
    assert report['settings']['partial'] is True
    assert 'all_search_1shot_partial' in capsys.readouterr().out
    trials = evaluate_sysu(
        *kept.values(),
        MINE,
        distance='euclidean',
        ties='gallery_order',
        partial=True,
    )
    found = report['all_search_1shot_partial']['trials']
    assert [one['mAP'] for one in found] == [
        t['all_single/mAP'] for t in trials
    ]
    # Arrays of the python interface are compared, too.
    with pytest.raises(ValueError, match='3 of the'):
        evaluate_sysu(*kept.values(), MINE)
    with pytest.raises(ValueError, match=r'identities \[999\]'):
        more = {**MINE, 1: {**MINE[1], 999: np.ones((10, 1), int)}}
        evaluate_sysu(*ARRAYS.values(), more, identities=[999])


def score_by_metric(arrays, kept, protocol, **meta):
    """Evaluate some images as those of a whole data set."""
    metric = ReIDMetric(protocol)
    metric.dataset_meta = dict(dataset=protocol, **meta)
    names = 'feature', 'pid', 'camid', 'modality', 'index'
    chosen = [arrays[name][kept] for name in NPZ_FIELDS]
    samples = [
        dict(zip(names, row, strict=True)) for row in zip(*chosen, strict=True)
    ]
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_subset_of_a_data_set_is_not_scored():
    for kept, words in (
        (slice(-1), '1 of the'),
        (ARRAYS['pids'] != IDS[0], rf'identities \[{IDS[0]}\]'),
    ):
        with pytest.raises(ValueError, match=words):
            score_by_metric(ARRAYS, kept, 'sysu', pids=IDS, rand_perm_cam=MINE)


def damage(path, kind):
    data = path.read_bytes()
    if kind == 'cut':
        path.write_bytes(data[: len(data) // 2])
    elif kind == 'empty':
        path.write_bytes(b'')
    elif kind == 'text':
        path.write_text('no features')
    elif kind == 'flipped':
        middle = len(data) // 2
        path.write_bytes(data[:middle] + b'\xff\0\xff' + data[middle + 3 :])
    elif kind == 'npy':
        with path.open('wb') as file:
            np.save(file, np.ones(3))
    elif kind == 'bomb':
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.writestr('features.npy', bytes(2**28))
    elif kind == 'shape':
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr(
                'features.npy',
                b'\x93NUMPY\x01\x00v\x00'
                + b"{'descr': '<f8', 'fortran_order': False, "
                b"'shape': (9999999999999, 999999), }".ljust(117)
                + b'\n',
            )


@pytest.mark.parametrize(
    'kind', ['cut', 'empty', 'text', 'flipped', 'npy', 'bomb', 'shape']
)
def test_damaged_npz(kind, root, tmp_path, capsys):
    path = write(tmp_path / 'a.npz', ARRAYS)
    damage(path, kind)
    assert 'no sound .npz' in refused(capsys, *sysu(path, root))


def test_npz_of_any_damage_ends_in_order(root, tmp_path):
    """What is still read has a sound checksum in each array."""
    path = write(tmp_path / 'a.npz', ARRAYS, img_paths=PATHS)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused_ones = 0
    for _ in range(200):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            found = load_features(path)
        except ConfigError:
            refused_ones += 1
        else:
            assert np.array_equal(found.features, FEATURES)
    assert refused_ones > 150


def test_npz_runs_no_code(root, tmp_path, capsys):
    class Hostile:
        def __reduce__(self):
            return (tmp_path / 'owned').touch, ()

    hostile = np.array([Hostile()], dtype=object)
    for name in ('features', 'img_paths', 'trial'):
        path = write(tmp_path / 'a.npz', ARRAYS, **{name: hostile})
        assert 'no sound .npz' in refused(capsys, *sysu(path, root))
    assert not (tmp_path / 'owned').exists()


@pytest.mark.parametrize('kind', ['cut', 'empty', 'text'])
def test_damaged_mat(kind, root, tmp_path, capsys):
    write_cameras(tmp_path, CELLS, 8)
    damage(tmp_path / 'feat_net_cam4.mat', kind)
    error = refused(capsys, *sysu(tmp_path, root))
    assert 'feat_net_cam4.mat' in error


def test_every_mistake_is_one_sentence(root, tmp_path, capsys):
    good = write(tmp_path / 'a.npz', ARRAYS)
    for path, data_root, words in (
        (tmp_path / 'no.npz', root, 'no.npz'),
        (tmp_path / 'nowhere', root, 'nowhere_cam1.mat'),
        (good, tmp_path / 'empty', 'rand_perm_cam.mat'),
    ):
        assert words in refused(capsys, *sysu(path, data_root))
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit, match='2'):
        run_scoring(
            [*map(str, sysu(good, root)), '--out', f'{tmp_path}/file/a']
        )
    assert (
        'file is a file, not a folder'
        in capsys.readouterr().err.splitlines()[-1]
    )
    few = {key: value for key, value in ARRAYS.items() if key != 'index'}
    error = refused(capsys, *sysu(write(tmp_path / 'b.npz', few), root))
    assert 'lacks index' in error


# RegDB


def regdb(ids=6, each=3, trial=2):
    """A whole split: labels from 0, the same images in both modalities."""
    rng = np.random.default_rng(0)
    label, modality, index = (
        column.ravel()
        for column in np.meshgrid(
            range(ids), (0, 1), range(1, each + 1), indexing='ij'
        )
    )
    words = np.array(['Visible', 'Thermal'])[modality]
    paths = np.array(
        [
            f'/data/{word}/{pid}/{number}.bmp'
            for word, pid, number in zip(words, label, index, strict=True)
        ]
    )
    features = rng.normal(size=(len(label), 4))
    return dict(
        features=features, pids=label, camids=modality + 1,
        modality=modality, index=index, img_paths=paths, trial=trial,
    )  # fmt: skip


SPLIT = regdb()
REGDB_FAULTS = {
    'a lost row': (rows(SPLIT, slice(1, None)), '1 labels'),
    'a repeated row': (rows(SPLIT, [0, *range(36)]), 'repeated'),
    'a lost label': (rows(SPLIT, SPLIT['pids'] != 2), 'label 2'),
    'a label in one modality': (
        rows(SPLIT, (SPLIT['pids'] != 2) | (SPLIT['modality'] == 1)),
        '0 visible images of label 2',
    ),
    'one modality': (rows(SPLIT, SPLIT['modality'] == 1), '0 visible'),
    'exchanged lists': (
        dict(SPLIT, modality=1 - SPLIT['modality']),
        'exchanged',
    ),
    'trial 11': (dict(SPLIT, trial=11), 'trials 1 to 10, not 11'),
    'trial 0': (dict(SPLIT, trial=0), 'trials 1 to 10, not 0'),
    'labels of -1': (dict(SPLIT, pids=SPLIT['pids'] - 1), '-1'),
}


@pytest.mark.parametrize('fault', REGDB_FAULTS)
@pytest.mark.filterwarnings('ignore:.*official splits')
def test_no_number_from_a_faulty_split(fault, tmp_path, capsys):
    arrays, words = REGDB_FAULTS[fault]
    path = write(tmp_path / 'a.npz', arrays)
    error = refused(capsys, '--protocol', 'regdb', '--features', path)
    assert words in error and str(path) in error


@pytest.mark.filterwarnings('ignore:.*official splits')
def test_regdb_is_compared_with_its_lists(tmp_path):
    (tmp_path / 'idx').mkdir()
    arrays = regdb()
    for modality, word in enumerate(('visible', 'thermal')):
        chosen = arrays['modality'] == modality
        lines = zip(
            arrays['img_paths'][chosen], arrays['pids'][chosen], strict=True
        )
        text = ''.join(f'{path} {label}\n' for path, label in lines)
        (tmp_path / f'idx/test_{word}_2.txt').write_text(text)
    path = write(tmp_path / 'a.npz', arrays)
    whole = report_regdb(path, data_root=tmp_path)
    assert (
        whole
        == report_regdb(path)
        == report_regdb(path, data_root=tmp_path / 'idx')
    )
    # Without the last label all others still have equally many images.
    path = write(tmp_path / 'a.npz', rows(arrays, arrays['pids'] != 5))
    with pytest.warns(UserWarning, match='30 images of 5 labels'):
        report_regdb(path)
    with pytest.raises(ValueError, match='0 visible images of label 5, not 3'):
        report_regdb(path, data_root=tmp_path)
    partial = report_regdb(path, data_root=tmp_path, partial=True)
    assert 'visible_to_infrared_partial' in partial
    # Labels of one trial are other people in the next.
    mixed = dict(arrays, img_paths=np.roll(arrays['img_paths'], 6))
    path = write(tmp_path / 'a.npz', mixed)
    with pytest.raises(ValueError, match='is not in the lists of the trial'):
        report_regdb(path, data_root=tmp_path)
    path = write(tmp_path / 'a.npz', dict(arrays, trial=3))
    with pytest.raises(FileNotFoundError, match='test_thermal_3.txt'):
        report_regdb(path, data_root=tmp_path)
    thermal, visible = sorted((tmp_path / 'idx').iterdir())
    visible.write_text(thermal.read_text())
    with pytest.raises(ValueError, match='exchanged'):
        read_regdb_lists(tmp_path, 2)
    visible.write_text('Visible/1/a.bmp x\n')
    with pytest.raises(ValueError, match='test_visible_2.txt has a line'):
        read_regdb_lists(tmp_path, 2)


def test_subset_of_regdb_is_not_scored():
    arrays = regdb()
    for kept in (arrays['pids'] < 5, arrays['index'] + arrays['modality'] < 4):
        with pytest.raises(ValueError, match='labels do not have the images'):
            score_by_metric(arrays, kept, 'regdb', pids=list(range(6)))


# The official files


@pytest.fixture(scope='module')
def official_images(protocol_root):
    exp = protocol_root / 'sysu_mm01/exp'
    ids = read_id_list(exp / 'test_id.mat')
    perms = load_rand_perm_cam(exp / 'rand_perm_cam.mat')
    counts = [
        (pid, cam, perms[cam][pid].shape[1])
        for cam in perms
        for pid in ids
        if pid in perms[cam]
    ]
    pids, camids, index = np.array(
        [(p, c, n) for p, c, most in counts for n in range(1, most + 1)]
    ).T
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(pids), 8)) + np.eye(600, 8)[pids]
    return exp, FeatureSet(
        features, pids, camids, np.isin(camids, (3, 6)).astype(int), index
    )


def test_official_counts(official_images, tmp_path, capsys):
    exp, whole = official_images
    assert (whole.modality == 1).sum() == 3803
    queries = np.flatnonzero(whole.modality == 1)
    path = tmp_path / 'a.npz'
    for lost, words in (
        (queries[-len(queries) // 4 :], f'{len(queries) // 4 + 1} of the'),
        (queries[whole.pids[queries] != 6], 'missing'),
        (np.flatnonzero(whole.pids == 6), 'all of the identities [6]'),
        ([], ''),
    ):
        part = whole.select(np.delete(np.arange(len(whole.pids)), lost))
        write(path, {name: getattr(part, name) for name in NPZ_FIELDS})
        if words:
            assert words in refused(capsys, *sysu(path, exp))
    assert len(load_features(path).pids) == len(whole.pids)
    one = report_sysu(path, exp)['all_search_1shot']
    assert len(one['trials']) == 10


def test_official_regdb_counts(protocol_root):
    for trial in (1, 10):
        counts = read_regdb_lists(protocol_root / 'regdb', trial).counts
        assert len(counts) == 2 * 206 and set(counts.values()) == {10}
