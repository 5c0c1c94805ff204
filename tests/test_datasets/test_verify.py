import os
import os.path as osp
import subprocess
import sys

import pytest

from mmgl.datasets.verify import verify_regdb, verify_sysu

ROOT = osp.dirname(osp.dirname(osp.dirname(osp.abspath(__file__))))
TOOL = osp.join(ROOT, 'tools', 'misc', 'verify_dataset.py')


def test_sound_trees(sysu_root, regdb_root):
    report = verify_sysu(sysu_root, decode=True)
    assert report.problems == [] and report.notes == []
    assert report.counts == {
        'train ids': 3,
        'val ids': 2,
        'test ids': 3,
        'train visible images': 39,
        'train infrared images': 18,
        'val visible images': 26,
        'val infrared images': 12,
        'test visible images': 33,
        'test infrared images': 18,
        'trainval visible images': 65,
        'trainval infrared images': 30,
    }
    report = verify_regdb(regdb_root, decode=True)
    assert report.problems == []
    assert report.counts['train of trial 3: infrared rows'] == 12
    assert report.counts['images named by the split files'] == 48


def test_official_numbers_are_asked_for(sysu_root, regdb_root):
    problems = verify_sysu(sysu_root, official=True).problems
    assert len(problems) == 6
    assert any('found 65' in p and '22258' in p for p in problems)
    assert (
        len(verify_regdb(regdb_root, official=True, trials=[1]).problems) == 6
    )


def damage(root, *parts, content=None):
    path = osp.join(root, *parts)
    if content is None:
        os.remove(path)
    else:
        with open(path, 'wb') as file:
            file.write(content)


def only_problem(report):
    assert len(report.problems) == 1, report.problems
    return report.problems[0]


def test_sysu_missing_image(broken_sysu):
    damage(broken_sysu, 'cam3', '0004', '0001.jpg')
    problem = only_problem(verify_sysu(broken_sysu))
    assert osp.join('cam3', '0004') in problem and '[1]' in problem


def test_sysu_truncated_and_empty_image(broken_sysu):
    path = osp.join(broken_sysu, 'cam3', '0004', '0001.jpg')
    with open(path, 'rb') as file:
        content = file.read()
    damage(path, content=content[: len(content) // 2])
    assert verify_sysu(broken_sysu).problems == []
    assert 'cannot be decoded' in only_problem(
        verify_sysu(broken_sysu, decode=True)
    )
    damage(path, content=b'')
    assert 'empty file' in only_problem(verify_sysu(broken_sysu))


def test_sysu_strays(broken_sysu):
    damage(broken_sysu, 'cam3', '0004', 'Thumbs.db', content=b'x')
    damage(broken_sysu, 'cam3', '0004', 'copy.jpg', content=b'x')
    report = verify_sysu(broken_sysu)
    assert 'copy.jpg' in only_problem(report)
    assert len(report.notes) == 1 and 'Thumbs.db' in report.notes[0]


def test_sysu_split_files(broken_sysu):
    damage(broken_sysu, 'exp', 'val_id.txt', content=b'7,9,17\n')
    assert 'share the persons [17]' in only_problem(verify_sysu(broken_sysu))
    damage(broken_sysu, 'exp', 'rand_perm_cam.mat')
    assert any(
        'rand_perm_cam.mat' in p for p in verify_sysu(broken_sysu).problems
    )


def test_broken_permutation_file(broken_sysu):
    damage(broken_sysu, 'exp', 'rand_perm_cam.mat', content=b'no mat file')
    assert 'rand_perm_cam' in only_problem(verify_sysu(broken_sysu))


def test_regdb_faults(broken_regdb):
    name = osp.join(broken_regdb, 'idx', 'test_thermal_4.txt')
    with open(name) as file:
        victim = file.readline().split()[0]
    damage(broken_regdb, *victim.split('/'))
    assert victim.split('/')[-1] in only_problem(verify_regdb(broken_regdb))
    damage(name)
    problems = verify_regdb(broken_regdb).problems
    assert any('test_thermal_4.txt' in p for p in problems)
    for word in ('visible', 'thermal'):
        idx = osp.join(broken_regdb, 'idx')
        with open(osp.join(idx, f'train_{word}_2.txt'), 'rb') as file:
            damage(idx, f'test_{word}_2.txt', content=file.read())
    assert 'share the persons' in only_problem(
        verify_regdb(broken_regdb, trials=[2])
    )


@pytest.mark.parametrize('break_it, status', [(False, 0), (True, 1)])
def test_command(broken_sysu, break_it, status):
    # A second or two: the command imports the package anew.
    if break_it:
        damage(broken_sysu, 'cam1', '0001', '0002.jpg')
    run = subprocess.run(
        [sys.executable, TOOL, '--root', broken_sysu, '--layout', 'sysu'],
        capture_output=True,
        env={**os.environ, 'PYTHONPATH': ROOT},
        text=True,
    )
    assert run.returncode == status, run.stderr
    assert f'{status} problem(s)' in run.stdout
    assert ('PROBLEM' in run.stdout) == break_it
