"""``mmgl gallery`` and ``mmgl search``, from images to a found person."""

import json
import shutil
import time

import pytest

from mmgl.apis.searching import run_gallery, run_search
from mmgl.gallery.gallery import Gallery


@pytest.fixture
def people(tmp_path, bundle, photographs):
    """A gallery of two cameras."""
    address = str(tmp_path / 'people.db')
    for camera, age in ((0, 0), (1, 100)):
        run_gallery(
            [
                'add',
                address,
                str(photographs / f'cam{camera}'),
                '--modality=visible',
                f'--camera={camera}',
                f'--time={time.time() - age * 24 * 3600}',
                f'--weights={bundle}',
            ]
        )
    return address


def search(people, bundle, *arguments):
    run_search([people, *arguments, f'--weights={bundle}', '--json'])


def test_a_person_is_found(people, bundle, photographs, capsys):
    path = str(photographs / 'cam1' / '3.png')
    capsys.readouterr()
    search(people, bundle, path, '--modality=visible', '--top=3')
    shown = json.loads(capsys.readouterr().out)
    assert shown['image'] == path
    best = shown['matches'][0]
    assert best['name'] == path and best['score'] == pytest.approx(1)
    assert best['metadata']['camera'] == '1' and len(shown['matches']) == 3
    search(people, bundle, path, '--modality=visible', '--camera', '0')
    names = json.loads(capsys.readouterr().out)['matches']
    assert len(names) == 4 and all('cam0' in m['name'] for m in names)


def test_what_is_too_old_is_purged(people, capsys):
    capsys.readouterr()
    run_gallery(['purge', people, '--older-than=30'])
    assert capsys.readouterr().out == 'deleted 3 images\n'
    run_gallery(['count', people])
    assert capsys.readouterr().out == '4\n'


def test_deleting_listing_and_copying(people, photographs, capsys, tmp_path):
    first = str(photographs / 'cam0' / '0.png')
    run_gallery(['delete', people, first])
    run_gallery(['copy', people, str(tmp_path / 'copy.db')])
    capsys.readouterr()
    run_gallery(['list', str(tmp_path / 'copy.db'), '--camera', '0'])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and not any(first in line for line in lines)
    run_gallery(['delete', people, '--camera', '1'])
    with Gallery.open(people) as gallery:
        assert gallery.count() == 3


def test_another_model_is_refused(people, checkpoint, photographs, capsys):
    # The same weights in another file have another hash.
    with pytest.raises(SystemExit):
        search(people, checkpoint, str(photographs), '--modality=visible')
    assert 'holds features of model' in capsys.readouterr().err


def test_broken_images_are_left_out(bundle, photographs, tmp_path, capsys):
    folder = shutil.copytree(photographs, tmp_path / 'images')
    (folder / 'cam0' / '1.jpg').write_bytes(b'nothing')
    run_gallery(
        [
            'add',
            str(tmp_path / 'p.db'),
            str(folder),
            '--modality=visible',
            f'--weights={bundle}',
        ]
    )
    shown = capsys.readouterr()
    assert 'added 7 images, 7 in all' in shown.out
    assert 'left out: ' in shown.err
    broken = str(folder / 'cam0' / '1.jpg')
    add = ['add', str(tmp_path / 'new.db'), broken, '--modality=visible']
    with pytest.raises(SystemExit):
        run_gallery([*add, f'--weights={bundle}'])
    assert 'none of the images could be read' in capsys.readouterr().err
    assert not list(tmp_path.glob('*new*'))


@pytest.mark.parametrize(
    'arguments, what',
    [
        (['delete', '{}'], 'where is empty'),
        (['delete', '{}', 'a', '--camera', '1'], 'not by both'),
        (['purge', '{}', '--older-than=-1'], 'days from 0'),
        (['purge', '{}', '--older-than=nan'], 'days from 0'),
        (['count', '/nowhere/people.db'], "no gallery '/nowhere"),
        (['list', 'gone.db'], "no gallery 'gone.db'"),
    ],
)
def test_mistakes_are_one_sentence(people, capsys, arguments, what):
    with pytest.raises(SystemExit) as error:
        run_gallery([one.format(people) for one in arguments])
    assert error.value.code == 2
    assert what in capsys.readouterr().err
