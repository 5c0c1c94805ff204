"""The benchmark of the training step, on narrow networks; nothing is timed."""

import json
import math
import re
from types import SimpleNamespace

import pytest
import torch

NARROW = [
    '--batch-size',
    '16',
    '--cfg-options',
    'model.backbone.depth=18',
    'model.backbone.base_channels=4',
]


def test_parts_are_those_of_a_step(tmp_path):
    import step
    from images import write_images
    from step_cases import build_case

    write_images(tmp_path / 'images', 48)
    arguments = ['--device', 'cpu', '--workers', '0', *NARROW]
    options = step.parse_args(arguments)
    agw = build_case('agw', str(tmp_path / 'images'), tmp_path, options)
    assert len(agw.batch['data_samples']) == 16
    before = {
        name: value.detach().clone()
        for name, value in agw.model.named_parameters()
    }
    agw.whole_step()
    assert all(
        not torch.equal(value, before[name])
        for name, value in agw.model.named_parameters()
        if name.endswith('conv1.weight')
    )
    inputs, modality = torch.rand(4, 3, 96, 48), torch.tensor([0, 1, 0, 1])
    agw.bare_pass(inputs, modality)
    assert all(p.grad is not None for p in agw.bare.parameters())


def test_figures(tmp_path, monkeypatch):
    import step

    monkeypatch.setattr(step, 'WARM_UP', 1)
    arguments = ['--device', 'cpu', '--only', 'mmgl', '--steps', '1']
    arguments += ['--loaded-steps', '1', '--workers', '0']
    modes = ['--modes', 'bf16+channels-last', 'fp32']
    out = tmp_path / 'a.json'
    found = step.main([*arguments, *modes, '--out', str(out), *NARROW])
    assert json.loads(out.read_text()) == found
    (table,) = found['tables']
    assert [row[1] for row in table['rows']] == ['bf16, channels last', 'fp32']
    assert all(len(row) == len(table['columns']) for row in table['rows'])
    # What the processor does not count is left out, not made up.
    assert {row[6] for row in table['rows']} == {'-'}
    values = {one['name']: one for one in found['figures']}
    assert not any('waits' in name for name in values)
    assert values['mmgl: 100 epochs of SYSU-MM01, projected']['target'] == 40
    assert 'mmgl, bf16, channels last: beyond the bare backbone' in values
    loading = values['mmgl, bf16, channels last: rate with loading']
    assert loading['note'] == '0 workers, 1 steps after 1'


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """Fill the table with modes that take their time or fail."""
    import step

    def fill(seconds, modes=step.MODES, broken=None, takes=1, only=step.RATED):
        clock, rows, notes = [0.0], [], []
        monkeypatch.setattr(
            step, 'countdown', lambda whole: lambda: whole - clock[0]
        )

        def build(mode, name, root, folder, options):
            clock[0] += takes
            if (name, mode.key) == broken:
                raise RuntimeError('out of memory\nmore about it')
            return SimpleNamespace(name=name)

        monkeypatch.setattr(step.gc, 'collect', lambda: None)
        monkeypatch.setattr(step.Mode, 'build', build)
        monkeypatch.setattr(
            step,
            'measure_mode',
            lambda case, mode, _: ([case.name, str(mode)], []),
        )
        arguments = ['--loaded-steps', '0', '--seconds', str(seconds)]
        arguments += ['--only', *only, '--modes', *modes]
        options = step.parse_args(arguments)
        assert set(step.measure(options, tmp_path, rows, notes)) <= {None}
        return rows, notes

    return fill


def test_all_modes(filled):
    rows, notes = filled(100)
    assert not notes and len(rows) == 26
    assert rows[:2] == [
        ['mmgl', 'bf16, channels last'],
        ['agw', 'bf16, channels last'],
    ]
    plain = {row[1] for row in rows if 'compiled' not in row[1]}
    assert plain == {
        'fp32',
        'tf32',
        'bf16',
        'fp32, channels last',
        'tf32, channels last',
        'bf16, channels last',
        'bf16, channels last, cuDNN benchmark',
    }
    # Other methods in the fastest mode only.
    rows, _ = filled(100, ['tf32+channels-last+compiled'], only=['agw', 'nfs'])
    assert rows == [
        ['agw', 'tf32, channels last, compiled'],
        ['nfs', 'bf16, channels last'],
    ]


def test_a_mode_that_fails_is_named(filled):
    rows, notes = filled(100, broken=('agw', 'tf32'))
    assert notes == ['agw, tf32: failed, RuntimeError: out of memory']
    assert len(rows) == 25


def test_nothing_is_begun_that_cannot_end(filled):
    import step

    compiled = [key for key in step.MODES if 'compiled' in key]
    # The next one may take as long as the longest so far.
    rows, notes = filled(119, compiled, takes=40)
    assert [row[0] for row in rows] == ['mmgl', 'agw']
    assert len(notes) == 10 and all('not reached' in one for one in notes)
    # The first one wants some time, too.
    assert filled(30, compiled)[0] == []


def test_epoch_is_longer_than_what_is_timed(tmp_path, monkeypatch):
    import step

    options = step.parse_args(['--workers', '3', '--loaded-steps', '50'])
    options.device, seen, whole = 'cpu', [], 5 + 12 + 50

    class Case:
        loader = range(10**6)

        def whole_step(self):
            seen.append(self.batch)
            self.batch = dict(data_samples=[0] * 96)

    def build(mode, name, root, folder, longer):
        # Batches are being made while the last timed one is used.
        assert longer.steps == whole + 6
        return Case()

    monkeypatch.setattr(step.Mode, 'build', build)
    rate, projected = step.measure_end_to_end('mmgl', options, tmp_path)
    assert seen == list(range(whole))
    assert '50 steps after 17' in rate.note
    assert projected.value == pytest.approx(100 * 423 * 96 / rate.value / 60)


def test_waits_and_memory_of_each_method(monkeypatch):
    import step

    options = step.parse_args(['--device', 'cuda', '--steps', '1'])
    moves = []
    case = SimpleNamespace(
        name='nfs',
        bare=SimpleNamespace(cpu=lambda: moves.append('away')),
        whole_step=lambda: None,
        batch=dict(data_samples=[0] * 64),
    )
    monkeypatch.setattr(step, 'time_steps', lambda *_: 0.5)
    monkeypatch.setattr(step, 'time_bare', lambda *_: 0.4)
    monkeypatch.setattr(step, 'count_waits', lambda *_: 2)
    monkeypatch.setattr(
        step, 'with_peak', lambda function, device: (function(), 3)
    )
    row, (waits, beyond) = step.measure_mode(case, step.FASTEST, options)
    assert moves == ['away']
    assert row[2:] == ['128', '500.0', '400.0', '1.25', '3.00', '-']
    assert waits.value == 2 and waits.verdict == 'missed'
    assert beyond.value == pytest.approx(25) and beyond.verdict == 'missed'
    _, figures = step.measure_mode(case, step.MODES['fp32'], options)
    assert figures == []


NETWORK = """
from torch import nn


def resnet50(pretrained, **given):
    assert not pretrained, 'nothing is downloaded'
    return nn.Conv2d(3, 8, 3)


class embed_net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.stem = resnet50(pretrained=True)
        self.bottleneck = nn.BatchNorm1d(8)
        self.classifier = nn.Linear(8, classes, bias=False)

    def forward(self, visible, thermal):
        pooled = self.stem(torch.cat([visible, thermal])).mean((2, 3))
        return pooled, self.classifier(self.bottleneck(pooled))
"""
LOSS = """
from torch import nn


class TripletLoss_WRT(nn.Module):
    def forward(self, feature, labels):
        images = len(feature) // 2
        assert labels[:images].equal(labels[images:]), 'sorted by modality'
        return feature.square().mean(), 0
"""


def test_public_step_beside_ours(tmp_path, monkeypatch):
    import peer_step
    import step

    monkeypatch.setattr(peer_step, 'fast_precision', lambda: 'bf16')
    (tmp_path / 'model.py').write_text(f'import torch\n{NETWORK}')
    (tmp_path / 'loss.py').write_text(LOSS)
    arguments = ['--device', 'cpu', '--steps', '1', '--workers', '0']
    arguments += ['--peer-agw', str(tmp_path), *NARROW]
    figures = step.main(arguments)['figures']
    assert [one['target'] for one in figures] == [None, 0.85, 0.45]
    assert all(0 < one['value'] < math.inf for one in figures)
    with pytest.raises(SystemExit, match='has no model.py of AGW'):
        step.main([*arguments, '--peer-agw', str(tmp_path / 'none')])
    with pytest.raises(SystemExit):
        step.parse_args(['--device', 'cuda', '--peer-agw', str(tmp_path)])


def test_iteration_on_the_embedded_data(monkeypatch):
    import embedded_step

    monkeypatch.setattr(embedded_step, 'fast_precision', lambda: 'bf16')
    figures = embedded_step.main(['--steps', '6'])['figures']
    assert [one['target'] for one in figures] == [1.12, 1.12, 0.72]
    for figure in figures:
        # In bf16 on a processor that imitates it, several times as long.
        assert 0.1 < figure['value'] < math.inf
        whole, bare = map(float, re.findall(r'\d+', figure['note']))
        assert figure['value'] == pytest.approx(whole / bare, rel=0.1)


def test_bf16_is_timed_where_it_is_fast(monkeypatch):
    import embedded_step

    monkeypatch.setattr(embedded_step, 'fast_precision', lambda: 'fp32')
    monkeypatch.setattr(embedded_step, 'time_in_turn', lambda *_: (3.0, 2.0))
    figures = embedded_step.main([])['figures']
    assert [one['value'] for one in figures] == [1.5, 1.5]
