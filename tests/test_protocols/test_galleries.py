import hashlib
import random

import numpy as np
import pytest
from matlab_like import write_cells
from scipy.io import savemat

from mmgl.protocols.cross import CROSS_MODAL, sides
from mmgl.protocols.galleries import (
    group_images,
    official_gallery,
    one_based_index,
    random_seeded_gallery,
)
from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list
from mmgl.protocols.sysu import GALLERY_CAMERAS, sysu_locations

# First 12 hex digits of the md5 of the 'camX/NNNN/MMMM' lines of each trial,
# computed from the draw of the AGW code base on the official image counts.
RANDOM_DIGESTS = dict(
    all='264b5f0d5e56 3a03cd816214 18042add1ef5 a00498c7bddd e96b27c1c0dd '
    'f60ef39306f3 6467baa28c1d 5b898aa5275e 97e3f5182d0f 25c9b362fa8a',
    indoor='871b9041bd34 574fa48bc518 28e2aa0c1bf5 bb422b869148 6e8ec050da98 '
    '90959f1952f3 b78473c0045a ddf29d99be4e f7bc83062328 9f8152a929c3',
)


@pytest.fixture(scope='module')
def exp(protocol_root):
    return protocol_root / 'sysu_mm01/exp'


@pytest.fixture(scope='module')
def official(exp):
    """Official permutations of the test ids, and the images they imply."""
    test_ids = read_id_list(exp / 'test_id.mat')
    perms = {
        cam: {pid: rows for pid, rows in entries.items() if pid in test_ids}
        for cam, entries in load_rand_perm_cam(
            exp / 'rand_perm_cam.mat'
        ).items()
    }
    images = {
        cam: {
            pid: list(range(1, rows.shape[1] + 1))
            for pid, rows in entries.items()
        }
        for cam, entries in perms.items()
    }
    return perms, images


def as_lines(gallery):
    return [
        f'cam{cam}/{pid:04d}/{number:04d}'
        for cam, pid, number in gallery.tolist()
    ]


def test_official_id_lists_agree(exp):
    ids = read_id_list(exp / 'test_id.mat')
    assert ids == read_id_list(exp / 'test_id.txt')
    assert len(ids) == 96


def test_official_galleries_have_published_sizes(official):
    perms, images = official
    for mode, size in (('all', 301), ('indoor', 112)):
        for shots in (1, 10):
            for trial in range(10):
                gallery = official_gallery(
                    perms, images, GALLERY_CAMERAS[mode], shots, trial
                )
                assert len(gallery) == size * shots
                assert len(np.unique(gallery, axis=0)) == size * shots
    assert sum(map(len, images[3].values())) == 1883
    assert sum(map(len, images[6].values())) == 1920


def test_official_first_trial(official):
    gallery = official_gallery(*official, (1, 2, 4, 5), 1, 0)
    assert as_lines(gallery)[:3] == [
        'cam1/0006/0005',
        'cam1/0010/0018',
        'cam1/0027/0005',
    ]
    assert (np.diff(gallery[:, 0]) >= 0).all()


@pytest.mark.parametrize('mode', ['all', 'indoor'])
def test_random_draw_matches_known_digests(official, mode):
    for trial, digest in enumerate(RANDOM_DIGESTS[mode].split()):
        gallery = random_seeded_gallery(
            official[1], GALLERY_CAMERAS[mode], 1, trial
        )
        text = '\n'.join(as_lines(gallery)).encode()
        assert hashlib.md5(text).hexdigest()[:12] == digest


def test_random_draw_equals_plain_loop_and_leaves_global_state():
    images = {1: {3: [1, 2, 4], 1: [1, 2]}, 2: {3: [5, 6]}, 4: {2: [1, 2, 3]}}
    random.seed(99)
    before = random.getstate()
    for shots in (1, 2):
        found = random_seeded_gallery(images, (1, 2, 4), shots, 5)
        assert random.getstate() == before
        generator = random.Random(5)
        expected = []
        for pid in (1, 2, 3):
            for cam in (1, 2, 4):
                files = images[cam].get(pid)
                if files and shots == 1:
                    expected.append((cam, pid, generator.choice(files)))
                elif files:
                    expected += [
                        (cam, pid, number)
                        for number in generator.sample(files, 2)
                    ]
        assert found.tolist() == [list(entry) for entry in expected]
    with pytest.raises(ValueError, match='identity 1, camera 1 has 2'):
        random_seeded_gallery(images, (1, 2, 4), 3, 0)


def test_official_draw_errors_name_camera_and_identity():
    images = {1: {7: [1, 2, 3], 9: [1, 2]}, 2: {7: [1]}}
    perms = {
        1: {7: np.array([[3, 1, 2]]), 9: np.array([[1, 2]])},
        2: {7: np.array([[1]])},
    }
    found = official_gallery(perms, images, (1, 2), 1, 0)
    assert found.tolist() == [[1, 7, 3], [1, 9, 1], [2, 7, 1]]
    with pytest.raises(ValueError, match='identity 9, camera 1'):
        official_gallery(perms, images, (1,), 3, 0)
    with pytest.raises(ValueError, match='identity 7, camera 1.*trial 1'):
        official_gallery(perms, images, (1,), 1, 1)
    with pytest.raises(ValueError, match='no entry for identity 9, camera 1'):
        official_gallery({1: {7: perms[1][7]}}, images, (1,), 1, 0)
    with pytest.raises(ValueError, match=r'identity 7, camera 2.*\[4\]'):
        official_gallery({2: {7: np.array([[4, 1]])}}, images, (2,), 1, 0)
    # Permutations of an identity that is there, but not under that camera.
    with pytest.raises(ValueError, match='identity 9, camera 2'):
        official_gallery(
            {2: {7: perms[2][7], 9: perms[1][9]}}, images, (2,), 1, 0
        )


def test_camera_three_stands_at_camera_two():
    camids = np.array([1, 2, 3, 4, 5, 6])
    assert sysu_locations(camids).tolist() == [1, 2, 2, 4, 5, 6]
    assert camids.tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(ValueError, match='7'):
        sysu_locations([1, 7])


def test_index_counts_from_one_or_zero():
    pids, cams = np.array([1, 1, 1, 2, 2]), np.array([1, 1, 3, 1, 1])
    ones = np.array([1, 2, 1, 2, 1])
    assert one_based_index(pids, cams, ones).tolist() == ones.tolist()
    assert one_based_index(pids, cams, ones - 1).tolist() == ones.tolist()
    with pytest.raises(ValueError, match='identity 2, camera 1'):
        one_based_index(pids, cams, [0, 1, 0, 1, 2])
    with pytest.raises(ValueError, match='twice'):
        one_based_index(pids, cams, [1, 1, 1, 2, 1])
    with pytest.raises(ValueError, match='counted'):
        one_based_index(pids, cams, [1, -1, 1, 2, 1])


def test_group_images_sorts():
    groups = group_images([5, 5, 4], [1, 1, 2], [3, 1, 9])
    assert groups == {1: {5: [1, 3]}, 2: {4: [9]}}


def test_sides_of_both_directions():
    both = np.zeros(3, dtype=int)
    found = sides(CROSS_MODAL, np.array([0, 1, 0]), both)
    assert found['visible_to_infrared'][0].tolist() == [0, 2]
    assert found['visible_to_infrared'][1].tolist() == [1]
    assert found['infrared_to_visible'][0].tolist() == [1]
    with pytest.raises(ValueError, match='0 gallery images; infra.*0 queries'):
        sides(CROSS_MODAL, both, both)


def test_rand_perm_file_round_trip(tmp_path):
    path = tmp_path / 'rand_perm_cam.mat'
    first = np.stack([np.roll([1, 2, 3], k) for k in range(10)])
    write_cells(path, [[first, np.zeros((10, 0))], [first, first + 1]])
    found = load_rand_perm_cam(path)
    assert list(found) == [1, 2]
    assert list(found[1]) == [1]
    assert (found[1][1] == first).all()
    assert (found[2][2] == first + 1).all()
    write_cells(path, [[first - 1]])
    with pytest.raises(ValueError, match='camera 1, identity 1'):
        load_rand_perm_cam(path)
    with pytest.raises(FileNotFoundError, match='nothing'):
        load_rand_perm_cam(tmp_path / 'nothing.mat')
    savemat(path, dict(other=1))
    with pytest.raises(ValueError, match='other'):
        load_rand_perm_cam(path)


def test_id_lists(tmp_path):
    text = tmp_path / 'ids.txt'
    text.write_text('6,2,\n10\n')
    assert read_id_list(text) == [2, 6, 10]
    savemat(tmp_path / 'ids.mat', dict(id=np.array([[4, 3]])))
    assert read_id_list(tmp_path / 'ids.mat') == [3, 4]
    for content in ('', '1,1', '1,a'):
        text.write_text(content)
        with pytest.raises(ValueError, match='ids.txt'):
            read_id_list(text)
    with pytest.raises(FileNotFoundError):
        read_id_list(tmp_path / 'none.txt')
