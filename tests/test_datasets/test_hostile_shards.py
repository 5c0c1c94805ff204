"""Indices and shards that somebody else wrote."""

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

pytest.importorskip('webdataset')

from streaming import DECODE, epoch, loader

from mmgl.datasets import StreamedPairs
from mmgl.datasets.shards import ShardList, samples_of, write_index
from mmgl.utils.errors import ConfigError

NAMES = [
    '../visible-000000.tar',
    '/etc/passwd',
    'a/b.tar',
    'a\\b.tar',
    '..',
    '.',
    '',
    '.hidden.tar',
    '-rf.tar',
    'pipe:touch canary',
    'http://127.0.0.1/a.tar',
    'a.tar; touch canary',
    '$(touch canary).tar',
    '`touch canary`.tar',
    'a.tar|touch canary',
    'a\n.tar',
    'a.tar\n',
    7,
    None,
    ['a.tar'],
]


def index_of(*rows):
    return dict(format=1, shards=list(rows))


@pytest.mark.parametrize('location', ['folder', 'pipe', 'pattern'])
@pytest.mark.parametrize('name', NAMES)
def test_names_are_names_of_files(tmp_path, monkeypatch, location, name):
    monkeypatch.chdir(tmp_path)
    for modality in ('visible', 'infrared'):
        index = index_of(dict(name=name, images=3))
        Path(f'{modality}.json').write_text(json.dumps(index))
    where = dict(folder='.', pipe='pipe:cat {}', pattern='./{}')[location]
    with pytest.raises(ConfigError, match='no plain name of a file') as info:
        StreamedPairs(where)
    assert '\n' not in str(info.value)
    assert 'visible.json' in str(info.value)
    assert not Path('canary').exists()


@pytest.mark.parametrize(
    'content',
    [
        '',
        'no json',
        '[]',
        '7',
        '{}',
        '[' * 100_000,
        '{"format": 1}',
        '{"format": 1, "shards": 7}',
        '{"format": 1, "shards": []}',
        '{"format": 1, "shards": [7]}',
        '{"format": 1, "shards": [{"name": "a.tar"}]}',
        *(
            json.dumps(index_of(dict(name='a.tar', images=images)))
            for images in (0, -3, 7.7, '7', None, True, 10**30, [1])
        ),
        json.dumps(index_of(*[dict(name='a.tar', images=1)] * 2)),
        '\ud800',
        '\0' * 50,
    ],
)
def test_broken_indices(tmp_path, content):
    path = tmp_path / 'visible.json'
    path.write_bytes(content.encode('utf-8', 'surrogatepass'))
    with pytest.raises(ConfigError, match='index') as info:
        StreamedPairs(str(tmp_path))
    assert '\n' not in str(info.value)


def test_sound_names_stay(tmp_path):
    counts = {'a-0.tar': 2, 'b+c=d@e_f.tar.gz': 3, 'é.tar': 4}
    write_index(str(tmp_path / 'v.json'), counts)
    shards = ShardList.load(str(tmp_path), 'v.json')
    assert shards.urls == [str(tmp_path / name) for name in counts]
    assert shards.counts.tolist() == [2, 3, 4]
    with pytest.raises(ConfigError, match='plain name'):
        write_index(str(tmp_path / 'w.json'), {'a/b.tar': 1})
    assert not (tmp_path / 'w.json').exists()


def member(name, data=b'x', **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, io.BytesIO(data)


def write_tar(path, *members):
    with tarfile.open(path, 'w') as tar:
        for info, data in members:
            tar.addfile(info, data)
    return str(path)


@pytest.mark.parametrize(
    'evil, text',
    [
        (member('/etc/0.jpg'), 'leads out'),
        (member('../0.jpg'), 'leads out'),
        (member('a/../../0.jpg'), 'leads out'),
        (
            member('0.jpg', b'', type=tarfile.SYMTYPE, linkname='/etc/passwd'),
            'no plain file',
        ),
        (
            member('0.jpg', b'', type=tarfile.LNKTYPE, linkname='1.jpg'),
            'no plain file',
        ),
        (member('0.jpg', b'', type=tarfile.FIFOTYPE), 'no plain file'),
        (member('0.jpg', b'', type=tarfile.CHRTYPE), 'no plain file'),
    ],
)
def test_members_are_plain_files(tmp_path, evil, text):
    path = write_tar(tmp_path / 'a.tar', member('1.jpg'), evil)
    with pytest.raises(ConfigError, match=f'a.tar.*{text}') as info:
        list(samples_of(path))
    assert '\n' not in str(info.value)


def test_members_that_lie_or_repeat(tmp_path):
    path = write_tar(tmp_path / 'a.tar', member('0.jpg'), member('0.jpg'))
    with pytest.raises(ConfigError, match='two members 0.jpg'):
        list(samples_of(path))
    info, _ = member('0.jpg')
    info.size = 2**40
    (tmp_path / 'b.tar').write_bytes(info.tobuf() + b'x' * 1024)
    with pytest.raises(ConfigError, match='b.tar.*larger'):
        list(samples_of(str(tmp_path / 'b.tar')))
    # Folders, and members that are no samples, are passed over.
    path = write_tar(
        tmp_path / 'c.tar',
        member('a', b'', type=tarfile.DIRTYPE),
        member('README'),
        member('__x__/0.jpg'),
        member('a/0.JPG', b'y'),
        member('a/0.json', b'{}'),
    )
    [sample] = samples_of(path)
    assert sample == dict(__key__='a/0', __url__=path, jpg=b'y', json=b'{}')


@pytest.mark.parametrize(
    'notes', [b'{', b'[]', b'7', b'{"pid": "x"}', b'{"camid": 7.7}', b'\xff']
)
def test_broken_notes_are_named(shards, tmp_path, notes):
    for modality in ('visible', 'infrared'):
        image = next(samples_of(str(Path(shards, f'{modality}-000000.tar'))))
        write_tar(
            tmp_path / f'{modality}.tar',
            member('0.jpg', image['jpg']),
            member('0.json', notes if modality == 'infrared' else b'{}'),
        )
        index = tmp_path / f'{modality}.json'
        write_index(str(index), {f'{modality}.tar': 1})
    with pytest.raises(ConfigError, match='notes of.*infrared.tar/0'):
        epoch(loader(str(tmp_path), 2, pipeline=DECODE), 0)


def test_pipes_and_folders_are_no_shards(tmp_path):
    os.mkfifo(tmp_path / 'a.tar')
    for name in ('a.tar', '.'):
        with pytest.raises(ConfigError, match='no such file'):
            list(samples_of(str(tmp_path / name)))
    os.mkfifo(tmp_path / 'visible.json')
    with pytest.raises(FileNotFoundError, match='visible.json'):
        StreamedPairs(str(tmp_path))
