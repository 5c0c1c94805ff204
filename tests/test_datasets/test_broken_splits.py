"""Split files in every malformed form, on every way to read them."""

import os
import os.path as osp
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from mmgl.apis.packing import run_packing
from mmgl.apis.sharding import run_sharding
from mmgl.apis.verification import run_verification
from mmgl.datasets import SYSUMM01, RegDB
from mmgl.datasets.verify import verify_regdb, verify_sysu
from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list

BROKEN_IDS = {
    'empty': b'',
    'blank': b'\n \n',
    'commas': b',,,',
    'header': b'id\n',
    'header above': b'id\n1,2,4\n',
    'fraction': b'1,2,7.7',
    'float': b'1,2,4.0',
    'zero': b'0,1,2',
    'negative': b'1,-3',
    'plus': b'+1,2',
    'underscore': b'1_0,2',
    'hexadecimal': b'0x1f,2',
    'not a number': b'nan,1',
    'infinite': b'inf',
    'power': b'1e3',
    'repeated': b'1,2,2',
    'repeated otherwise': b'1,01',
    'out of range': b'1,10000',
    'huge': b'1,' + b'9' * 5000,
    'other digits': '1,٣'.encode(),
    'semicolons': b'1;2',
    'binary': bytes(range(256)),
    'zeros': b'\0' * 100,
    'utf-16': '1,2'.encode('utf-16'),
    'a .mat file': b'MATLAB 5.0 MAT-file'.ljust(124) + b'\0\1IM',
    'pickled': b'\x80\x04]\x94(K\x01K\x02e.',
    'not there': b'77',
}


def one_sentence(error):
    text = str(error)
    assert '\n' not in text and 20 < len(text) < 600
    return text


@pytest.mark.parametrize('name', BROKEN_IDS)
def test_broken_id_lists(broken_sysu, name):
    path = Path(broken_sysu, 'exp', 'train_id.txt')
    path.write_bytes(BROKEN_IDS[name])
    with pytest.raises((ValueError, FileNotFoundError)) as info:
        SYSUMM01(broken_sysu, 'trainval')
    text = one_sentence(info.value)
    assert 'train_id.txt' in text or '0077' in text
    assert verify_sysu(broken_sysu).problems


@pytest.mark.parametrize(
    'content',
    [
        b'1,4,2',
        b'\xef\xbb\xbf1,4,2\r\n',
        b'1\r\n4\r\n2\r\n',
        b' 1, 4,\t2,\n',
        b'0001 0004 0002',
    ],
)
def test_ids_as_people_write_them(broken_sysu, content):
    Path(broken_sysu, 'exp', 'train_id.txt').write_bytes(content)
    assert SYSUMM01(broken_sysu, 'train').metainfo['pids'] == [1, 2, 4]


def test_a_list_that_is_no_file_or_has_no_end(broken_sysu):
    path = Path(broken_sysu, 'exp', 'train_id.txt')
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileNotFoundError, match='train_id.txt'):
        SYSUMM01(broken_sysu, 'train')
    path.unlink()
    with path.open('wb') as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match='train_id.txt is larger'):
        SYSUMM01(broken_sysu, 'train')


@pytest.mark.parametrize('split', ['train', 'val', 'test', 'gallery'])
@pytest.mark.parametrize('names', [('train', 'test'), ('val', 'test')])
def test_no_person_is_in_two_splits(broken_sysu, split, names):
    one, other = (Path(broken_sysu, 'exp', f'{n}_id.txt') for n in names)
    one.write_text(one.read_text().strip() + ',' + other.read_text())
    with pytest.raises(ValueError, match=r'share the persons \[6, 10, 17\]'):
        SYSUMM01(broken_sysu, split)


@pytest.mark.parametrize(
    'ids',
    [
        [6.0, 10, 7.7],
        [0, 6],
        [-3, 6],
        [np.nan, 6],
        [np.inf],
        [6, 6],
        [],
        [1e9],
        [6 + 1j],
    ],
)
def test_broken_id_lists_of_matlab(tmp_path, ids):
    savemat(tmp_path / 'test_id.mat', dict(id=np.array([ids])))
    with pytest.raises(ValueError, match='test_id.mat') as info:
        read_id_list(tmp_path / 'test_id.mat')
    one_sentence(info.value)


def test_both_lists_must_agree(broken_sysu):
    path = Path(broken_sysu, 'exp', 'test_id.mat')
    savemat(path, dict(id=np.array([[6.0, 10, 17]])))
    assert SYSUMM01(broken_sysu, 'test').metainfo['pids'] == [6, 10, 17]
    assert read_id_list(path) == [6, 10, 17]
    savemat(path, dict(id=np.array([[6.0, 10, 18]])))
    for read in (
        lambda: read_id_list(path),
        lambda: SYSUMM01(broken_sysu, 'test'),
    ):
        with pytest.raises(ValueError, match='test_id.* other identities'):
            read()


@pytest.mark.parametrize('value', [np.nan, np.inf, 0, -1, 1.5, 2.0**40])
def test_broken_permutations(tmp_path, value, recwarn):
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = np.empty((1, 1), dtype=object)
    cell[0, 0][0, 0] = np.full((10, 2), float(value))
    path = tmp_path / 'rand_perm_cam.mat'
    savemat(path, dict(rand_perm_cam=cell))
    with pytest.raises(ValueError, match='camera 1, identity 1'):
        load_rand_perm_cam(path)
    assert not recwarn.list


# ---- RegDB -----------------------------------------------------------------


def visible(lines):
    return [line.replace('Thermal', 'Visible') for line in lines]


BROKEN_ROWS = {
    'empty': lambda lines: [],
    'header': lambda lines: ['path label\n'],
    'header above': lambda lines: ['path label\n', *lines],
    'no label': lambda lines: [f'{lines[0].split()[0]}\n', *lines[1:]],
    'fraction': lambda lines: [lines[0].replace(' 0', ' 7.7'), *lines[1:]],
    'negative': lambda lines: [lines[0].replace(' 0', ' -3'), *lines[1:]],
    'gap': lambda lines: [line.replace(' 1\n', ' 2\n') for line in lines],
    'huge': lambda lines: [lines[0].strip() + '9' * 5000, *lines[1:]],
    'twice': lambda lines: [lines[0], *lines],
    'lost person': lambda lines: lines[:2],
    'climbing': lambda lines: [f'../x/{lines[0]}', *lines[1:]],
    'absolute': lambda lines: [f'/etc/{lines[0]}', *lines[1:]],
    'doubled slash': lambda lines: [lines[0].replace('/', '//'), *lines[1:]],
    'exchanged': lambda lines: [
        line.replace('Visible', 'Thermal').replace('_v_', '_t_')
        for line in lines
    ],
    'one exchanged': lambda lines: [
        lines[0].replace('Visible', 'data/thermal'),
        *lines[1:],
    ],
    'binary': lambda lines: ['\0\1\2', *lines],
}


@pytest.mark.parametrize('name', BROKEN_ROWS)
def test_broken_rows(broken_regdb, name):
    path = Path(broken_regdb, 'idx', 'train_visible_1.txt')
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(''.join(BROKEN_ROWS[name](lines)))
    for listing in ('disk', 'protocol'):
        with pytest.raises(ValueError) as info:
            RegDB(broken_regdb, 'train', listing=listing)
        text = one_sentence(info.value)
        assert 'train_visible_1.txt' in text or 'train of trial 1' in text
    assert verify_regdb(broken_regdb, trials=[1]).problems


def test_rows_that_are_no_text(broken_regdb):
    path = Path(broken_regdb, 'idx', 'train_visible_1.txt')
    text = path.read_text()
    path.write_bytes(text.encode('utf-16'))
    with pytest.raises(ValueError, match='train_visible_1.txt is no text'):
        RegDB(broken_regdb, 'train')
    path.write_bytes(b'\xef\xbb\xbf' + text.replace('\n', '\r\n').encode())
    assert len(RegDB(broken_regdb, 'train')) == 8
    path.write_text(text.replace('/', '\\'))
    assert len(RegDB(broken_regdb, 'train')) == 8


def test_exchanged_files(broken_regdb):
    one, other = (
        osp.join(broken_regdb, 'idx', f'train_{word}_1.txt')
        for word in ('visible', 'thermal')
    )
    os.rename(one, f'{one}.old')
    os.rename(other, one)
    os.rename(f'{one}.old', other)
    with pytest.raises(ValueError, match='names a thermal image.*exchanged'):
        RegDB(broken_regdb, 'train')


@pytest.mark.parametrize('split', ['train', 'test', 'query'])
def test_no_person_is_in_both_halves(broken_regdb, split):
    for word in ('visible', 'thermal'):
        train, test = (
            Path(broken_regdb, 'idx', f'{half}_{word}_1.txt')
            for half in ('train', 'test')
        )
        test.write_text(train.read_text())
    with pytest.raises(ValueError, match='trial 1 .* share the persons'):
        RegDB(broken_regdb, split)


@pytest.mark.parametrize('trial', [0, 11, -1, 1.0, '1', True, None, [1]])
def test_trials_that_do_not_exist(regdb_root, trial):
    with pytest.raises(ValueError, match='RegDB.trial must be'):
        RegDB(regdb_root, 'train', trial)


# ---- the tools -------------------------------------------------------------


@pytest.mark.parametrize(
    'run',
    [run_verification, run_packing, run_sharding],
    ids=lambda f: f.__name__,
)
def test_a_mistyped_root_is_one_sentence(run, tmp_path, capsys):
    out = [] if run is run_verification else ['--out', str(tmp_path / 'out')]
    for layout in ('sysu', 'regdb'):
        arguments = ['--root', str(tmp_path / 'typo'), '--layout', layout]
        with pytest.raises(SystemExit) as caught:
            run([*arguments, *out])
        assert caught.value.code == 2
        captured = capsys.readouterr()
        assert captured.out == ''
        # Behind the usage, where it is the option that is wrong.
        line = captured.err.splitlines()[-1]
        assert 'error: ' in line and 'typo' in line
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('run', [run_packing, run_sharding])
def test_broken_splits_end_the_tools(run, broken_sysu, tmp_path, capsys):
    Path(broken_sysu, 'exp', 'train_id.txt').write_text('1,7.7')
    with pytest.raises(SystemExit) as caught:
        run(['--root', broken_sysu, '--out', str(tmp_path / 'out')])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert 'train_id.txt is not a list of whole numbers' in error
    assert error.count('\n') == 1 and not (tmp_path / 'out').exists()
