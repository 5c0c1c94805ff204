"""Counted messages against two real processes, and the model by hand."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from forked_ranks import run_ranks
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmgl.models.functional.gather import (
    all_gather_labelled,
    all_gather_no_grad,
)
from mmgl.models.losses import WeightedRegularizedTripletLoss

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


class Model(nn.Module):
    """A layer, a batch norm, a metric loss and what is gathered besides."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 5)
        self.norm = nn.BatchNorm1d(5)
        self.loss = WeightedRegularizedTripletLoss()

    def forward(self, inputs, targets, mode='loss'):
        features = self.norm(self.layer(inputs))
        pids = targets['pid']
        bank, _, _ = all_gather_labelled(
            features.view(-1, 5, 1), pids, pids % 2 == 0
        )
        seen = all_gather_no_grad(pids[:2].int())
        return dict(
            loss=self.loss(features, pids),
            loss_bank=bank.sum(),
            seen=seen.sum(),
        )


def data():
    torch.manual_seed(0)
    return dict(
        inputs=torch.randn(8, 6), targets=dict(pid=torch.arange(8) % 4)
    )


def real_messages(rank):
    from communication_count import Counter

    counter = Counter()
    model = Model()
    wrapped = DistributedDataParallel(model)
    wrapped.register_comm_hook(None, counter.ddp_hook)
    batch = data()
    batch['inputs'] = batch['inputs'] + rank
    with counter.active():
        losses = wrapped(**batch)
        (losses['loss'] + losses['loss_bank']).backward()
    # The hook averages as DDP does without it.
    own = torch.cat([p.grad.flatten() for p in model.parameters()])
    parts = [torch.empty_like(own) for _ in range(2)]
    dist.all_gather(parts, own)
    torch.testing.assert_close(*parts)
    return [(one.kind, one.op, one.size) for one in counter.messages]


def test_counted_messages_are_those_of_two_processes(tmp_path):
    from communication_count import (
        bucket_messages,
        norm_messages,
        pretended_pass,
        to_meta,
    )

    model = Model()
    buckets = bucket_messages(model)
    found = pretended_pass(model.to('meta'), to_meta(data()), 2)
    assert not dist.is_initialized()
    assert [
        one for one in found.messages if one.kind == 'SyncBN'
    ] == norm_messages(5)
    counted = sorted(
        (one.kind, one.op, one.size)
        for one in [*buckets, *found.messages]
        if one.kind != 'SyncBN'
    )
    for messages in run_ranks(tmp_path, real_messages):
        assert sorted(messages) == counted
    # 6 x 5 + 5 + 5 + 5 parameters; 8 rows of 5 numbers, and labels of 8 and
    # 1 bytes; 2 labels of 4 bytes.
    assert (
        counted
        == [
            ('gathers', 'all_gather', 2 * 4),
            ('gathers', 'all_gather', 8 * (5 * 4 + 8)),
            ('gathers', 'all_gather', 8 * (5 * 4 + 8 + 1)),
            ('gathers, backward', 'reduce_scatter', 8 * 5 * 4),
            ('gathers, backward', 'reduce_scatter', 8 * 5 * 4),
            ('gradients', 'all_reduce', 45 * 4),
        ]
        + [('shape checks', 'all_reduce', 2 * 32 * 8)] * 3
    )


def test_buckets_are_those_of_ddp():
    from communication_count import BUCKET, bucket_messages

    model = nn.Sequential(*(nn.Linear(1024, 1024) for _ in range(14)))
    sizes = [one.size for one in bucket_messages(model)]
    assert sum(sizes) == 4 * sum(p.numel() for p in model.parameters())
    # A first one of 1 MiB, which one layer fills; then 25 MiB and what
    # belongs to the last layer.
    assert sizes[0] < 2**23 and all(
        BUCKET <= size < BUCKET + 2**23 for size in sizes[1:-1]
    )
    model[3].requires_grad_(False)
    fewer = bucket_messages(model, find_unused=True)
    assert sum(one.size for one in fewer[:-1]) == sum(sizes) - 4 * 1024 * 1025
    assert fewer[-1].size == 4 * 26


def assumptions(**changes):
    return Namespace(
        **{
            **dict(
                gpus_per_node=4,
                intra_gb_s=100.0,
                link_gb_s=10.0,
                latency_us=10.0,
                host_us=50.0,
                backward_share=0.5,
                loss_slowness=2.0,
                sync_bn=False,
            ),
            **changes,
        }
    )


def count(**changes):
    from communication_count import Message
    from communication_model import Count

    return Count(
        **{
            **dict(
                images=64,
                flops=[100, 110, 140, 190],
                messages=[
                    Message('gradients', 'all_reduce', 3 * 10**8),
                    Message('gradients', 'all_reduce', 10**8),
                    Message('gathers', 'all_gather', 10**6),
                    Message('gathers, backward', 'reduce_scatter', 2 * 10**6),
                    Message('shape checks', 'all_reduce', 512),
                    Message('SyncBN', 'all_gather', 10**6),
                ],
            ),
            **changes,
        }
    )


def test_traffic_of_a_ring():
    from communication_count import Message

    assert Message('other', 'all_reduce', 12).sent(4) == 2 * 3 / 4 * 12
    assert Message('other', 'all_gather', 12).sent(4) == 3 * 12
    assert Message('other', 'reduce_scatter', 12).sent(4) == 3 * 12


def test_model_by_hand():
    from communication_model import model_step

    # Within a machine of 4: 2 x 3/4 x 0.4 GB at 100 GB/s, 6 ms, hide behind
    # half of a step of 0.1 s; the last bucket, 1.5 ms and a latency, does
    # not. 3 x 3 MB take 0.09 ms and two latencies, two doublings 0.1 ms.
    one = model_step(count(), 4, 0.1, assumptions(), {})
    assert one['gradients'] == pytest.approx(1.51e-3)
    assert one['gathers'] == pytest.approx(0.09e-3 + 20e-6)
    assert one['checks'] == pytest.approx(100e-6)
    # 100 + 10 (n - 1)^2 operations: 90 % more, at half the speed.
    assert one['losses'] == pytest.approx(0.1 * 2 * 0.9)
    assert one['step'] == pytest.approx(
        0.1 + 1.51e-3 + 0.11e-3 + 0.1e-3 + 0.18
    )
    assert one['efficiency'] == pytest.approx(0.1 / one['step'])
    # On two machines the slower link counts: 2 x 7/8 x 0.4 GB at 10 GB/s are
    # 70 ms and 20 us, of which 50 are hidden.
    two = model_step(count(), 8, 0.1, assumptions(), {})
    assert two['gradients'] == pytest.approx(20e-3 + 20e-6)
    assert two['gathers'] == pytest.approx(7 * 3e6 / 10e9 + 20e-6)
    assert two['checks'] == pytest.approx(150e-6)
    assert two['losses'] == pytest.approx(0.1 * 2 * 4.9)
    synced = model_step(count(), 8, 0.1, assumptions(sync_bn=True), {})
    assert synced['gathers'] - two['gathers'] == pytest.approx(
        7e6 / 10e9 + 10e-6
    )


def test_one_gpu_waits_for_nothing():
    from communication_model import model_step

    alone = model_step(count(), 1, 0.1, assumptions(), {})
    assert alone == dict(
        gradients=0, gathers=0, checks=0, losses=0, step=0.1, efficiency=1
    )


def write_links(path, machines, ranks, rate, latency, check=80e-6):
    from communication_links import TRAFFIC

    path.write_text(
        json.dumps(
            dict(
                ranks=ranks,
                machines=machines,
                check_seconds=check,
                messages=[
                    dict(
                        op=op,
                        size=size,
                        seconds=latency + size * traffic(ranks) / rate,
                    )
                    for op, traffic in TRAFFIC.items()
                    for size in (512, 2**16, 2**22)
                ],
            )
        )
    )
    return str(path)


def test_links_come_from_the_measurement(tmp_path):
    from communication_links import read_links
    from communication_model import model_step

    within = write_links(tmp_path / 'within.json', 1, 4, 100e9, 10e-6)
    links = read_links([within])
    link = links['within a machine'].ops['all_gather']
    assert (link.rate, link.latency) == pytest.approx((100e9, 10e-6))
    assert link.error < 1e-9
    # What is measured comes in place of what is assumed, there only.
    wrong = assumptions(intra_gb_s=1e9, latency_us=0.0, host_us=0.0)
    found = model_step(count(), 4, 0.1, wrong, links)
    assumed = model_step(count(), 4, 0.1, assumptions(host_us=40.0), {})
    assert found == pytest.approx(assumed)
    assert model_step(count(), 8, 0.1, assumptions(), links) == model_step(
        count(), 8, 0.1, assumptions(), {}
    )
    between = write_links(tmp_path / 'between.json', 2, 8, 10e9, 10e-6, 15e-5)
    links = read_links([between, within])
    assert model_step(count(), 8, 0.1, wrong, links) == pytest.approx(
        model_step(count(), 8, 0.1, assumptions(), {})
    )


def test_no_links_in_a_file(tmp_path):
    from communication_links import read_links

    path = tmp_path / 'links.json'
    for content in ('{}', '{"ranks": 2, "messages": [], "machines": 1}'):
        path.write_text(content)
        with pytest.raises(ValueError, match='--links .*link.py --out'):
            read_links([str(path)])
    one = write_links(tmp_path / 'one.json', 1, 4, 1e9, 1e-6)
    with pytest.raises(ValueError, match='another file .* within a machine'):
        read_links([one, one])


def test_fit_weighs_short_and_long_messages_alike():
    from communication_links import fit_link

    link = fit_link([(10, 2e-3), (10, 1e-3), (1e9, 1.0), (1e9, 1.0)])
    assert 1e-3 < link.latency < 2e-3
    assert link.rate == pytest.approx(1e9, rel=0.01)
    assert 0.2 < link.error < 0.5
    assert fit_link([(10, 1e-3), (1000, 1e-3)]).rate > 1e15


def measured_links(rank):
    import link

    messages, check = link.measure('cpu', (8, 4096, 2**25), 2)
    return [
        check,
        [[one['op'], one['size'], one['seconds']] for one in messages],
    ]


def test_links_between_two_processes(tmp_path):
    import link

    one, other = run_ranks(tmp_path, measured_links)
    # All ranks know the slowest, and nothing larger than a bucket's part is
    # gathered.
    assert one == other and one[0] > 0
    assert [message[:2] for message in one[1]] == [
        ['all_reduce', 8],
        ['all_reduce', 4096],
        ['all_reduce', 2**25],
        ['all_gather', 8],
        ['all_gather', 4096],
        ['reduce_scatter', 8],
        ['reduce_scatter', 4096],
    ]
    messages = [
        dict(op=op, size=size, seconds=seconds) for op, size, seconds in one[1]
    ]
    figures = link.figures_of(messages, one[0], 2)
    assert len(figures) == 8 and all(figure.value > 0 for figure in figures)


def test_one_process_has_no_link(monkeypatch):
    import link

    monkeypatch.delenv('WORLD_SIZE', raising=False)
    with pytest.raises(SystemExit, match='torchrun --nproc_per_node 2'):
        link.main([])


def test_growth_follows_the_polynomial():
    flops = [7 + 2 * n + 3 * n**3 for n in range(1, 5)]
    assert count(flops=flops).growth(64) == pytest.approx(
        (7 + 2 * 64 + 3 * 64**3) / 12 - 1
    )
    assert count(flops=flops).growth(1) == 0


def test_steps_come_from_the_measurement(tmp_path):
    from communication_model import read_steps, step_alone

    path = tmp_path / 'step.json'
    path.write_text(
        json.dumps(
            dict(
                seconds={
                    'mmgl, bf16, channels last': 300.0,
                    'mmgl, fp32': 900.0,
                    'agw': dict(
                        backbone=1, behind=0.5, optimizer=0.25, bare=9
                    ),
                }
            )
        )
    )
    steps = read_steps(str(path), 'bf16, channels last')
    assert steps == dict(mmgl=0.3, agw=1.75)
    assert read_steps(str(path), 'fp32')['mmgl'] == 0.9
    options = assumptions(step_seconds=None, tflop_s=0.5)
    one = count(flops=[10**12] * 4)
    assert step_alone('mmgl', one, steps, options) == (0.3, 'measured')
    assert step_alone('caj', one, steps, options) == (
        2.0,
        'assumed, 0.5 TFLOP/s',
    )
    options.step_seconds = 0.1
    assert step_alone('caj', one, steps, options) == (0.1, 'given')
    assert read_steps(None, 'fp32') == {}
    path.write_text('{}')
    with pytest.raises(ValueError, match='no step of mmgl, .*--mode'):
        read_steps(str(path), 'fp32')
