"""What comes out of a loader of streamed pairs."""

import functools
import http.server
import json
import os
import pickle
import shutil
import tarfile
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

pytest.importorskip('webdataset')

from streaming import DECODE, PACK, Keep, epoch, loader, paths

from mmgl.datasets import SYSUMM01, Draw, StreamedPairs
from mmgl.datasets.samplers import CrossModalPairSampler, StreamSampler
from mmgl.datasets.shards import Segment, ShardList, read_segment


def test_pixels_and_notes_are_those_of_the_files(shards, sysu_root):
    plain = SYSUMM01(sysu_root, 'trainval', [dict(type='LoadImageFromFile')])
    known = {
        os.path.relpath(item['img_path'], sysu_root): item
        for item in (plain[n] for n in range(len(plain)))
    }
    [batch] = epoch(loader(shards, 130, pipeline=DECODE), 0)
    assert len(batch) == 130
    for data in batch:
        item = known[data['img_path']]
        assert np.array_equal(data['img'], item['img'])
        for key in (
            'pid',
            'camid',
            'modality',
            'index',
            'ori_shape',
            'img_shape',
        ):
            assert data[key] == item[key], key


def test_training_pixels_equal_the_plain_path(
    shards, sysu_root, standard_pipeline
):
    """The same image with the same draw comes out the same, to the bit."""
    [batch] = epoch(
        loader(
            shards,
            60,
            pipeline=DECODE + standard_pipeline[1:] + PACK,
            pairs=30,
            collate=pseudo_collate,
        ),
        0,
    )
    plain = SYSUMM01(sysu_root, 'trainval', standard_pipeline + PACK)
    places = {
        os.path.relpath(plain.get_data_info(n)['img_path'], sysu_root): n
        for n in range(len(plain))
    }
    for place, (pixels, sample) in enumerate(
        zip(batch['inputs'], batch['data_samples'], strict=True)
    ):
        draw = Draw(places[sample.img_path], 3, 0, place, place // 2)
        expected = plain[draw]
        assert np.array_equal(pixels.numpy(), expected['inputs'].numpy())
        assert (
            sample.permutation == expected['data_samples'].permutation
        ).all()
        assert sample.pair_key == place // 2


def test_draws_equal_those_of_the_pair_sampler(shards, sysu_root):
    dataset = SYSUMM01(sysu_root, 'trainval')
    for rank in (0, 1):
        plain = CrossModalPairSampler(
            dataset, 8, seed=3, rank=rank, world_size=2
        )
        stream = StreamSampler(
            StreamedPairs(shards), 8, seed=3, rank=rank, world_size=2
        )
        assert len(plain) == len(stream)
        assert [d[1:] for d in plain] == [d[1:] for d in stream]


def test_images_without_notes(tmp_path, shards):
    """Shards of others hold no JSON members."""
    for modality in ('visible', 'infrared'):
        source = Path(shards, f'{modality}-000000.tar')
        target = tmp_path / f'{modality}-000000.tar'
        with tarfile.open(source) as old, tarfile.open(target, 'w') as new:
            for member in old:
                if member.name.endswith('.jpg'):
                    new.addfile(member, old.extractfile(member))
        (tmp_path / f'{modality}.json').write_text(
            json.dumps(
                dict(format=1, shards=[dict(name=target.name, images=9)])
            )
        )
    [batch] = epoch(
        loader(
            str(tmp_path),
            18,
            pipeline=DECODE + PACK[1:],
            collate=pseudo_collate,
        ),
        0,
    )
    samples = batch['data_samples']
    assert [s.modality for s in samples] == [0, 1] * 9
    assert {s.pid for s in samples} == {-1}
    assert len({s.img_path for s in samples}) == 18


@pytest.mark.parametrize('workers', [0, 2])
def test_resuming_goes_on_exactly(shards, workers):
    """Forks six pairs of workers."""
    through = loader(shards, workers=workers, pairs=20)
    expected = [paths(epoch(through, number)) for number in range(4)]
    assert expected[0] != expected[1] != expected[2]
    resumed = loader(shards, workers=workers, pairs=20)
    for number in (2, 3):
        assert paths(epoch(resumed, number)) == expected[number]
    # An epoch begun and left does not matter.
    resumed.sampler.set_epoch(1)
    iterator = iter(resumed)
    next(iterator)
    del iterator
    assert paths(epoch(resumed, 1)) == expected[1]
    other = loader(shards, workers=workers, pairs=20, seed=4)
    assert paths(epoch(other, 0)) != expected[0]


def test_persistent_workers_follow_the_epoch(shards):
    """Forks two workers."""
    one = loader(shards, workers=2, pairs=20)
    dataset = StreamedPairs(shards, pipeline=[Keep()], shuffle_buffer=7)
    other = DataLoader(
        dataset,
        4,
        sampler=StreamSampler(dataset, 4, 3, 20),
        num_workers=2,
        persistent_workers=True,
        collate_fn=list,
    )
    for number in range(3):
        assert paths(epoch(one, number)) == paths(epoch(other, number))


def test_the_buffer_shuffles_and_loses_nothing(shards):
    plain, mixed = (
        sum(paths(epoch(loader(shards, 26, buffer=buffer), 0)), [])
        for buffer in (0, 20)
    )
    assert plain != mixed and Counter(plain) == Counter(mixed)
    # Without it shards come one after the other: 9 images, here visible.
    known = ShardList.load(shards, 'visible.json')
    first = next(known.segments((3,), 'stream of visible', 0, 65))
    with tarfile.open(first.url) as tar:
        members = [
            json.load(tar.extractfile(m))['img_path']
            for m in tar
            if m.name.endswith('.json')
        ]
    assert plain[:18:2] == members[:9]


# ---- where from ------------------------------------------------------------


def test_pipe(shards):
    remote = loader(f'pipe:cat {shards}/{{}}')
    assert paths(epoch(remote, 0)) == paths(epoch(loader(shards), 0))


@pytest.mark.skipif(not shutil.which('curl'), reason='webdataset uses curl')
def test_http(shards):
    handler = functools.partial(QuietHandler, directory=shards)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_port}'
        remote = loader(url, pairs=20)
        got = paths(epoch(remote, 0))
        server.shutdown()
    assert got == paths(epoch(loader(shards, pairs=20), 0))


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_pickled_without_streams(shards):
    data = loader(shards)
    next(iter(data))
    assert len(pickle.dumps(data.dataset)) < 5000
    assert not pickle.loads(pickle.dumps(data.dataset))._next


# ---- mistakes --------------------------------------------------------------


def test_missing_and_broken_indices(tmp_path):
    with pytest.raises(FileNotFoundError, match='visible.json.*write_shards'):
        StreamedPairs(str(tmp_path))
    Path(tmp_path, 'visible.json').write_text('{"format": 7}')
    with pytest.raises(ValueError, match='visible.json.*format 7'):
        StreamedPairs(str(tmp_path))


def test_missing_truncated_and_miscounted_shards(shards, tmp_path):
    known = ShardList.load(shards, 'infrared.json')
    url, count = known.urls[0], int(known.counts[0])
    assert len(list(read_segment(Segment(url, 0, count, count)))) == count
    assert len(list(read_segment(Segment(url, 2, 5, count)))) == 3
    with pytest.raises(ValueError, match='nowhere.tar'):
        list(read_segment(Segment('nowhere.tar', 0, 1, 1)))
    with pytest.raises(ValueError, match=f'11 .*only {count}'):
        list(read_segment(Segment(url, 0, 11, 11)))
    with pytest.raises(ValueError, match='5 images.*more'):
        list(read_segment(Segment(url, 0, 5, 5)))
    short = tmp_path / 'short.tar'
    short.write_bytes(Path(url).read_bytes()[:6000])
    with pytest.raises(ValueError, match='short.tar'):
        list(read_segment(Segment(str(short), 0, count, count)))
    with pytest.raises(ValueError, match='false'):
        list(read_segment(Segment('pipe:false', 0, 1, 1)))


def test_swapped_modalities(shards):
    dataset = StreamedPairs(shards, 'infrared.json', 'visible.json', [Keep()])
    sampler = StreamSampler(dataset, 4, 0)
    with pytest.raises(ValueError, match='modality 1.*visible'):
        dataset.__getitems__(list(sampler)[:4])


def test_wrong_use(shards, sysu_root):
    dataset = StreamedPairs(shards, pipeline=[Keep()])
    with pytest.raises(ValueError, match='StreamSampler'):
        next(iter(DataLoader(dataset, 4)))
    sampler = StreamSampler(dataset, 4, 0)
    with pytest.raises(ValueError, match='batch_size=4'):
        next(iter(DataLoader(dataset, 6, sampler=sampler)))
    with pytest.raises(TypeError, match='batches'):
        dataset[0]
    with pytest.raises(ValueError, match='batch_size.*even'):
        StreamSampler(dataset, 5)
    with pytest.raises(TypeError, match='CrossModalPairSampler'):
        StreamSampler(SYSUMM01(sysu_root, 'train'))


def test_bytes_that_are_no_image():
    from mmgl.datasets.transforms import LoadImageFromBytes

    for data in (b'', b'no image'):
        with pytest.raises(ValueError, match='a.tar/7'):
            LoadImageFromBytes()(dict(img_bytes=data, shard_path='a.tar/7'))


def test_names_in_an_index_do_not_reach_the_shell(tmp_path):
    rows = [dict(name='a.tar; touch ran', images=1)]
    index = dict(format=1, shards=rows)
    (tmp_path / 'visible.json').write_text(json.dumps(index))
    with pytest.raises(ValueError, match="'a.tar; touch ran' is no"):
        ShardList.load(f'pipe:cat {tmp_path}/{{}}', 'visible.json')
