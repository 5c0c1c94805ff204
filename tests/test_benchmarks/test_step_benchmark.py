"""The benchmark of the training step, on narrow networks; nothing is timed."""

import json
from pathlib import Path

import pytest
import torch

from mmgl.utils.benchmark import Figure

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'
NARROW = [
    '--cfg-options',
    'model.backbone.depth=18',
    'model.backbone.base_channels=4',
]


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def agw(tools, tmp_path):
    """Options, and AGW with a narrow network."""
    import step
    from images import write_images
    from step_cases import build_case

    write_images(tmp_path / 'images', 48)
    options = step.parse_args(
        ['--only', 'agw', '--repeats', '1', '--steps', '1', *NARROW]
    )
    return build_case('agw', str(tmp_path / 'images'), tmp_path, options)


def test_figures(tools, tmp_path):
    import step

    found = step.main(
        [
            '--only',
            'mmgl',
            'agw',
            '--repeats',
            '1',
            '--images',
            '2',
            '--out',
            str(tmp_path / 'a.json'),
            *NARROW,
        ]
    )
    assert json.loads((tmp_path / 'a.json').read_text()) == found
    names = [one['name'] for one in found['figures']]
    assert names == ['mmgl, 96 images', 'agw, 64 images']
    assert all(one['target'] == 5 for one in found['figures'])
    assert found['seconds']['agw']['behind'] > 0


def test_figure_is_the_sum_of_the_parts(tools):
    import step

    figure = step.figure_of(
        'x',
        dict(
            bare=9.0,
            sgd=1.0,
            backbone=9.5,
            behind=0.3,
            optimizer=1.2,
            images=8,
        ),
    )
    assert figure.value == pytest.approx(10)
    assert isinstance(figure, Figure) and figure.verdict == 'missed'
    assert 'in the backbone +5.0, behind it +3.0, optimizer +2.0' in (
        figure.note
    )


def test_what_stands_in_for_the_backbone_changes_nothing(agw):
    from step_cases import GivenMaps

    torch.manual_seed(0)
    data = agw.prepared()
    backbone = agw.model.backbone
    maps = backbone(data['inputs'], data['targets']['modality']).detach()
    expected = agw.model(**data, mode='loss')
    agw.model.backbone = GivenMaps(maps, backbone.out_channels)
    losses = agw.model(**data, mode='loss')
    assert {name: value.item() for name, value in losses.items()} == {
        name: pytest.approx(value.item(), rel=1e-5)
        for name, value in expected.items()
    }


def test_parts_are_those_of_a_step(agw):
    from step import pass_behind
    from step_cases import without_backbone

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
    agw.model.zero_grad()
    inputs, modality = torch.rand(4, 3, 96, 48), torch.tensor([0, 1, 0, 1])
    agw.bare_pass(inputs, modality)
    agw.backbone_pass(inputs, modality)
    for network in (agw.bare, agw.model.backbone):
        assert all(p.grad is not None for p in network.parameters())
    shape = agw.model.backbone(
        agw.prepared()['inputs'], agw.prepared()['targets']['modality']
    ).shape
    without_backbone(agw)
    assert agw.model.backbone.maps.shape == shape
    agw.model.zero_grad()
    pass_behind(agw)
    assert all(
        p.grad is not None for p in agw.model.parameters() if p.requires_grad
    )


def test_modes_of_a_device(tools, tmp_path, monkeypatch):
    import step
    import step_device
    from images import write_images

    write_images(tmp_path / 'images', 48)
    monkeypatch.setattr(step_device, 'WARM_UP', 1)
    options = step.parse_args(
        [
            '--only',
            'mmgl',
            '--steps',
            '1',
            '--loaded-steps',
            '1',
            '--modes',
            'fp32',
            *NARROW,
        ]
    )
    figures, details = step_device.measure_on_device(
        options, str(tmp_path / 'images'), tmp_path
    )
    assert list(details) == ['mmgl, bf16, channels last', 'mmgl, fp32']
    values = {one.name: one for one in figures}
    assert values['mmgl, fp32: rate'].value > 0
    assert values['mmgl: 100 epochs of SYSU-MM01, projected'].target == 40
    assert 'mmgl, bf16, channels last: beyond the bare backbone' in values
    loading = values['mmgl, bf16, channels last: rate with loading']
    assert loading.note == '0 workers, 1 steps after 1'
    # What the processor does not count is left out, not made up.
    assert not any('memory' in name or 'waits' in name for name in values)


def test_grid_of_modes(tools):
    from step_modes import FASTEST, MODES, modes_of

    assert len(set(map(str, MODES.values()))) == 12
    assert MODES['bf16+channels-last'] == FASTEST
    assert 'tf32+channels-last+compiled' in MODES
    for name in ('mmgl', 'agw'):
        found = modes_of(name, list(MODES))
        assert found[0] == FASTEST and len(found) == 12
        assert set(found) == set(MODES.values())
    assert [mode.key for mode in modes_of('mmgl', ['tf32'])] == [
        'bf16+channels-last',
        'tf32',
    ]
    assert modes_of('nfs', list(MODES)) == [FASTEST]


def test_workers_by_default(tools, monkeypatch):
    import step

    monkeypatch.setattr(step, 'usable_cores', lambda: 64)
    assert step.parse_args([]).workers == 0
    assert step.parse_args(['--device', 'cuda']).workers == 16
    assert step.parse_args(['--device', 'cuda', '--workers', '3']).workers == 3


def test_epoch_is_longer_than_what_is_timed(tools, tmp_path, monkeypatch):
    import step
    import step_device

    options = step.parse_args(['--workers', '3', '--loaded-steps', '50'])
    seen = []

    class Case:
        loader = range(10**6)

        def whole_step(self):
            seen.append(self.batch)
            self.batch = dict(data_samples=[0] * 96)

    def build(mode, name, root, folder, longer):
        # Batches are being made while the last timed one is used.
        assert longer.steps == len_seen() + 6
        return Case()

    def len_seen():
        return 5 + 12 + 50

    monkeypatch.setattr(type(step_device.FASTEST), 'build', build)
    rate, projected = step_device.measure_end_to_end(
        'mmgl', '', tmp_path, options
    )
    assert seen == list(range(len_seen()))
    assert '50 steps after 17' in rate.note
    assert projected.value == pytest.approx(100 * 423 * 96 / rate.value / 60)


def test_waits_and_memory_of_each_method(tools, monkeypatch):
    import step
    import step_device

    options = step.parse_args(['--device', 'cuda', '--steps', '1'])
    moves = []

    class Bare:
        def cpu(self):
            moves.append('away')

    case = type(
        'Case',
        (),
        dict(
            name='nfs',
            bare=Bare(),
            whole_step=lambda self: None,
            batch=dict(data_samples=[0] * 64),
        ),
    )()
    monkeypatch.setattr(step_device, 'time_steps', lambda *_: 0.5)
    monkeypatch.setattr(step_device, 'time_bare', lambda *_: 0.4)
    monkeypatch.setattr(step_device, 'count_waits', lambda *_: 2)
    monkeypatch.setattr(
        step_device, 'peak_memory', lambda function, device: function() or 3
    )
    figures, seconds = step_device.measure_mode(
        case, step_device.FASTEST, options
    )
    assert seconds == 0.5 and moves == ['away']
    found = {one.name.split(': ')[1]: one for one in figures}
    assert found['rate'].value == 128 and found['peak memory'].value == 3
    waits = found['waits in a step']
    assert waits.value == 2 and waits.verdict == 'missed'
    assert found['beyond the bare backbone'].value == pytest.approx(25)


def test_compiling_asks_for_a_compiler(tools, monkeypatch, capsys):
    import step

    monkeypatch.delenv('CXX', raising=False)
    monkeypatch.setattr(step.shutil, 'which', lambda name: None)
    assert not step.can_compile()
    assert 'C++ compiler' in capsys.readouterr().out
    monkeypatch.setenv('CXX', 'own')
    monkeypatch.setattr(
        step.shutil, 'which', lambda name: name if name == 'own' else None
    )
    assert step.can_compile()
