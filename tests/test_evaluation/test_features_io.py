import numpy as np
import pytest
from matlab_like import as_arrays, random_cells, write_cameras
from scipy.io import savemat

from mmgl.evaluation.features_io import (
    NPZ_FIELDS,
    FeatureSet,
    load_features,
    save_features,
)


@pytest.fixture
def cells():
    return random_cells(np.random.default_rng(0), ids=5, absent=0.3, dims=4)[0]


@pytest.mark.parametrize('given', ['', 'feat_net', 'feat_net_cam4.mat'])
def test_official_layout(tmp_path, cells, given):
    write_cameras(tmp_path, cells, 8)
    for wanted in (None, [2, 5]):
        found = load_features(tmp_path / given, wanted)
        expected = as_arrays(cells, wanted or range(1, 9))
        for name, array in zip(NPZ_FIELDS, expected, strict=True):
            assert np.array_equal(getattr(found, name), array)


def test_official_layout_errors(tmp_path, cells):
    with pytest.raises(FileNotFoundError, match='found none'):
        load_features(tmp_path)
    write_cameras(tmp_path, cells, 8)
    (tmp_path / 'feat_net_cam3.mat').unlink()
    with pytest.raises(FileNotFoundError, match='feat_net_cam3.mat'):
        load_features(tmp_path)
    savemat(tmp_path / 'feat_net_cam3.mat', dict(feature=np.ones((3, 4))))
    with pytest.raises(ValueError, match="cam3.*cell named 'feature'"):
        load_features(tmp_path)
    write_cameras(tmp_path, cells, 8, 'other')
    with pytest.raises(FileNotFoundError, match="'feat_net', 'other'"):
        load_features(tmp_path)
    load_features(tmp_path / 'other')
    with pytest.raises(ValueError, match='no image of the wanted'):
        load_features(tmp_path / 'other', [99])
    cells[6] = {3: np.ones((2, 9))}
    write_cameras(tmp_path, cells, 8, 'other')
    with pytest.raises(ValueError, match=r'feature\{3\} has 9 columns'):
        load_features(tmp_path / 'other')


def test_version_73_needs_h5py_or_reads(tmp_path, cells):
    """Written through h5py the way MATLAB lays cells out in HDF5."""
    h5py = pytest.importorskip('h5py')
    for cam, entries in cells.items():
        path = tmp_path / f'a_cam{cam}.mat'
        with h5py.File(path, 'w', userblock_size=512) as file:
            refs = np.empty((1, 8), dtype=h5py.ref_dtype)
            for pid in range(1, 9):
                name = f'#refs#/{pid}'
                if pid in entries:
                    file[name] = entries[pid].T
                else:
                    file[name] = np.zeros(2, np.uint64)
                    file[name].attrs['MATLAB_empty'] = np.uint8(1)
                refs[0, pid - 1] = file[name].ref
            file.create_dataset('feature', data=refs)
        head = b'MATLAB 7.3 MAT-file, Platform: GLNXA64'.ljust(124)
        with open(path, 'r+b') as file:
            file.write(head + b'\x00\x02IM')
    found = load_features(tmp_path)
    for name, array in zip(
        NPZ_FIELDS, as_arrays(cells, range(1, 9)), strict=True
    ):
        assert np.array_equal(getattr(found, name), array)


def test_npz_round_trip(tmp_path, cells):
    arrays = as_arrays(cells, range(1, 9))
    paths = np.array([f'{n}.jpg' for n in range(len(arrays[0]))])
    written = FeatureSet(*arrays, img_paths=paths, trial=4)
    save_features(tmp_path / 'new' / 'dump.npz', written)
    found = load_features(tmp_path / 'new' / 'dump.npz')
    assert found.trial == 4
    assert np.array_equal(found.img_paths, paths)
    for name, array in zip(NPZ_FIELDS, arrays, strict=True):
        assert np.array_equal(getattr(found, name), array)
    part = load_features(tmp_path / 'new' / 'dump.npz', [3])
    assert set(part.pids.tolist()) == {3}
    assert len(part.img_paths) == len(part.features) == (arrays[1] == 3).sum()


def test_npz_errors(tmp_path):
    path = tmp_path / 'a.npz'
    with pytest.raises(FileNotFoundError, match=r'a\.npz'):
        load_features(path)
    np.savez(path, features=np.ones((2, 2)), pids=[1, 1])
    with pytest.raises(ValueError, match='camids, modality, index'):
        load_features(path)
    np.savez(
        path,
        features=np.ones((2, 2)),
        pids=[1],
        camids=[1, 1],
        modality=[0, 0],
        index=[1, 2],
    )
    with pytest.raises(ValueError, match='differ in length'):
        load_features(path)
