import functools
import http.server
import json
import os
import pickle
import runpy
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

from mmgl.datasets import SYSUMM01, Draw, StreamedPairs
from mmgl.datasets.samplers import CrossModalPairSampler, StreamSampler
from mmgl.datasets.shards import Segment, ShardList, read_segment
from mmgl.datasets.streamed_pairs import StreamPlan

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/write_shards.py'
DECODE = [dict(type='LoadImageFromBytes')]
PACK = [
    dict(type='SharedStripeShuffle', num_stripes=6),
    dict(type='PackReIDInputs'),
]


@pytest.fixture(scope='session')
def tool():
    return runpy.run_path(str(TOOL))


@pytest.fixture(scope='session')
def shards(tool, sysu_root, tmp_path_factory):
    """65 visible and 30 infrared images, 9 in a shard."""
    out = str(tmp_path_factory.mktemp('shards'))
    tool['main'](['--root', sysu_root, '--split', 'trainval', '--out', out,
                  '--images-per-shard', '9'])
    return out


class Keep:
    """Passes on which image came, undecoded."""

    def __call__(self, results):
        return dict(
            path=results['img_path'],
            draw=results['draw'],
            modality=results['modality'])


PATHS_ONLY = (Keep(), )


def loader(shards, batch_size=4, workers=0, rank=0, world_size=1,
           pipeline=PATHS_ONLY, buffer=7, seed=3, pairs=None, collate=list):
    dataset = StreamedPairs(shards, pipeline=pipeline, shuffle_buffer=buffer)
    sampler = StreamSampler(dataset, batch_size, seed, pairs, rank, world_size)
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate)


def epoch(data_loader, number):
    data_loader.sampler.set_epoch(number)
    return list(data_loader)


# ---- which images ----------------------------------------------------------


def simulate(counts, batch_size, world_size, workers, epochs, pairs):
    """Every image that all workers of all ranks read, by (shard, number)."""
    shards = ShardList([f's{n}' for n in range(len(counts))], counts)
    wanted = pairs or len(shards)
    iters = -(-wanted // (world_size * batch_size // 2))
    read = Counter()
    lengths = []
    for number in range(epochs):
        for rank in range(world_size):
            plan = StreamPlan(batch_size, iters, rank, world_size)
            for worker in range(max(workers, 1)):
                first, last = plan.share(number, worker, max(workers, 1))
                got = 0
                for url, start, stop, count in shards.segments(
                    (1, ), 'test', first, last):
                    assert 0 <= start < stop <= count
                    read.update((url, n) for n in range(start, stop))
                    got += stop - start
                assert got == last - first
                lengths.append(got // (batch_size // 2))
    return read, lengths, iters


@pytest.mark.parametrize('world_size', [1, 2, 4])
@pytest.mark.parametrize('workers', [0, 1, 2, 3])
def test_each_image_once_an_epoch(world_size, workers):
    # 96 images, epochs of 96 pairs; fewer shards than workers, unequal ones.
    for counts in ([96], [1, 50, 45], [8] * 12, [17, 2, 60, 9, 8]):
        read, lengths, iters = simulate(counts, 8, world_size, workers, 1,
                                        None)
        assert len(read) == 96 and set(read.values()) == {1}
        assert sum(lengths) == iters * world_size


@pytest.mark.parametrize('world_size', [1, 2, 4])
@pytest.mark.parametrize('workers', [0, 2])
def test_each_image_once_a_pass_whatever_the_epoch(world_size, workers):
    # 7 epochs of 40 pairs are 4 passes over 70 images: no image is lost at
    # the end of an epoch or read twice.
    read, _, _ = simulate([20, 33, 17], 10 if world_size == 1 else 20,
                          world_size, workers, 7, 40)
    assert len(read) == 70 and set(read.values()) == {4}


def test_ranks_may_change_between_epochs():
    # The same global batch on one, two and four ranks, epoch by epoch.
    shards = ShardList(list('abc'), [20, 33, 11])
    read = Counter()
    for number, (world_size, batch_size, workers) in enumerate(
        [(1, 16, 1), (2, 8, 3), (4, 4, 2), (1, 16, 2)]):
        for rank in range(world_size):
            plan = StreamPlan(batch_size, 2, rank, world_size)
            for worker in range(workers):
                share = plan.share(number, worker, workers)
                for url, start, stop, _ in shards.segments((1, ), 'x', *share):
                    read.update((url, n) for n in range(start, stop))
    assert len(read) == 64 and set(read.values()) == {1}


def test_shares_follow_the_batches_of_the_loader():
    # The loader gives worker w the batches w, w + workers, ...
    plan = StreamPlan(batch_size=6, num_iters=7, rank=1, world_size=2)
    sizes = [plan.share(0, w, 3) for w in range(3)]
    assert sizes == [(21, 30), (30, 36), (36, 42)]
    assert plan.share(1, 0, 1) == (63, 84)


def test_passes_have_orders_of_their_own():
    shards = ShardList(list('abcdefgh'), [3] * 8)

    def order(seed, number):
        return ''.join(s.url for s in shards.segments(
            (seed, ), 'x', 24 * number, 24 * number + 24))

    orders = {order(seed, number) for seed in (0, 1) for number in range(4)}
    assert len(orders) == 8
    assert all(sorted(o) == list('abcdefgh') for o in orders)


@pytest.mark.parametrize('world_size', [1, 2, 4])
@pytest.mark.parametrize('workers', [0, 2])
def test_real_shards_each_image_once(shards, world_size, workers):
    """Forks up to eight workers."""
    everything = Counter()
    pairs, keys = set(), set()
    for rank in range(world_size):
        batches = epoch(loader(shards, 4, workers, rank, world_size), 0)
        for batch in batches:
            assert [item['modality'] for item in batch] == [0, 1, 0, 1]
            for visible, infrared in zip(batch[::2], batch[1::2],
                                         strict=True):
                assert visible['draw'].pair == infrared['draw'].pair
            everything.update(item['path'] for item in batch)
            pairs.update(item['draw'].pair for item in batch)
            keys.update(item['draw'].position for item in batch)
    # 65 pairs, completed to whole batches of all ranks.
    total = -(-65 // (2 * world_size)) * 2 * world_size
    assert pairs == set(range(total)) and keys == set(range(2 * total))
    visible = Counter({p: n for p, n in everything.items()
                       if int(p[3]) in (1, 2, 4, 5)})
    infrared = everything - visible
    assert len(visible) == 65 and len(infrared) == 30
    # The first pass, and the beginning of the next one.
    assert sum(visible.values()) == sum(infrared.values()) == total
    assert set(visible.values()) <= {1, 2}
    assert set(infrared.values()) <= {2, 3}


# ---- what comes ------------------------------------------------------------


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
        for key in ('pid', 'camid', 'modality', 'index', 'ori_shape',
                    'img_shape'):
            assert data[key] == item[key], key


def test_training_pixels_equal_the_plain_path(shards, sysu_root,
                                              standard_pipeline):
    """The same image with the same draw comes out the same, to the bit."""
    [batch] = epoch(
        loader(shards, 60, pipeline=DECODE + standard_pipeline[1:] + PACK,
               pairs=30, collate=pseudo_collate), 0)
    plain = SYSUMM01(sysu_root, 'trainval', standard_pipeline + PACK)
    places = {
        os.path.relpath(plain.get_data_info(n)['img_path'], sysu_root): n
        for n in range(len(plain))
    }
    for place, (pixels, sample) in enumerate(
            zip(batch['inputs'], batch['data_samples'], strict=True)):
        draw = Draw(places[sample.img_path], 3, 0, place, place // 2)
        expected = plain[draw]
        assert np.array_equal(pixels.numpy(), expected['inputs'].numpy())
        assert (sample.permutation == expected['data_samples'].permutation
                ).all()
        assert sample.pair_key == place // 2


def test_draws_equal_those_of_the_pair_sampler(shards, sysu_root):
    dataset = SYSUMM01(sysu_root, 'trainval')
    for rank in (0, 1):
        plain = CrossModalPairSampler(
            dataset, 8, seed=3, rank=rank, world_size=2)
        stream = StreamSampler(
            StreamedPairs(shards), 8, seed=3, rank=rank, world_size=2)
        assert len(plain) == len(stream)
        assert [d[1:] for d in plain] == [d[1:] for d in stream]


def paths(batches):
    return [[item['path'] for item in batch] for batch in batches]


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
        collate_fn=list)
    for number in range(3):
        assert paths(epoch(one, number)) == paths(epoch(other, number))


def test_the_buffer_shuffles_and_loses_nothing(shards):
    plain, mixed = (
        sum(paths(epoch(loader(shards, 26, buffer=buffer), 0)), [])
        for buffer in (0, 20))
    assert plain != mixed and Counter(plain) == Counter(mixed)
    # Without it shards come one after the other: 9 images, here visible.
    known = ShardList.load(shards, 'visible.json')
    first = next(known.segments((3, ), 'stream of visible', 0, 65))
    with tarfile.open(first.url) as tar:
        members = [
            json.load(tar.extractfile(m))['img_path'] for m in tar
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


def test_memory_does_not_grow_with_the_images():
    few = ShardList(['a', 'b'], [10, 10])
    many = ShardList(['a', 'b'], [10**9, 10**9])
    assert len(pickle.dumps(few)) == len(pickle.dumps(many))
    plan = StreamPlan(96, 10**7, 3, 4)
    first, last = plan.share(5, 1, 2)
    [segment] = many.segments((0, ), 'x', first, first + 48)
    assert segment.stop - segment.start == 48


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


# ---- the tool --------------------------------------------------------------


def test_equal_arguments_give_equal_shards(tool, shards, sysu_root, tmp_path):
    args = ['--root', sysu_root, '--split', 'trainval', '--out',
            str(tmp_path), '--images-per-shard', '9']
    tool['main'](args)
    names = sorted(os.listdir(shards))
    assert sorted(os.listdir(tmp_path)) == names
    assert len(names) == 8 + 4 + 2
    for name in names:
        assert (tmp_path / name).read_bytes() == Path(
            shards, name).read_bytes()
    tool['main']([*args, '--seed', '1'])
    first = 'visible-000000.tar'
    assert (tmp_path / first).read_bytes() != Path(shards, first).read_bytes()


def test_index_of_shards_from_elsewhere(tool, shards, tmp_path):
    tars = sorted(str(p) for p in Path(shards).glob('infrared-*.tar'))
    out = tmp_path / 'again.json'
    tool['main'](['--index', str(out), *tars])
    assert out.read_text() == Path(shards, 'infrared.json').read_text()


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
                dict(format=1, shards=[dict(name=target.name, images=9)])))
    [batch] = epoch(
        loader(str(tmp_path), 18, pipeline=DECODE + PACK[1:],
               collate=pseudo_collate), 0)
    samples = batch['data_samples']
    assert [s.modality for s in samples] == [0, 1] * 9
    assert {s.pid for s in samples} == {-1}
    assert len({s.img_path for s in samples}) == 18
