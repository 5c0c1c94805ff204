"""The benchmark of the training step, on narrow networks; nothing is timed."""

import json
from pathlib import Path

import pytest
import torch

from mmgl.utils.benchmark import Figure

BENCHMARKS = Path(__file__).parents[2] / 'tools/benchmarks'
NARROW = ['--cfg-options', 'model.backbone.depth=18',
          'model.backbone.base_channels=4']


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
        ['--only', 'agw', '--repeats', '1', '--steps', '1', *NARROW])
    return build_case('agw', str(tmp_path / 'images'), tmp_path, options)


def test_figures(tools, tmp_path):
    import step
    found = step.main(['--only', 'mmgl', 'agw', '--repeats', '1', '--images',
                       '2', '--out', str(tmp_path / 'a.json'), *NARROW])
    assert json.loads((tmp_path / 'a.json').read_text()) == found
    names = [one['name'] for one in found['figures']]
    assert names == ['mmgl, 96 images', 'agw, 64 images']
    assert all(one['target'] == 5 for one in found['figures'])
    assert found['seconds']['agw']['behind'] > 0


def test_figure_is_the_sum_of_the_parts(tools):
    import step
    figure = step.figure_of('x', dict(bare=9., sgd=1., backbone=9.5,
                                      behind=.3, optimizer=1.2, images=8))
    assert figure.value == pytest.approx(10)
    assert isinstance(figure, Figure) and figure.verdict == 'missed'
    assert 'in the backbone +5.0, behind it +3.0, optimizer +2.0' in (
        figure.note)


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
        for name, value in expected.items()}


def test_parts_are_those_of_a_step(agw):
    from step import pass_behind
    from step_cases import without_backbone
    before = {name: value.detach().clone()
              for name, value in agw.model.named_parameters()}
    agw.whole_step()
    assert all(not torch.equal(value, before[name])
               for name, value in agw.model.named_parameters()
               if name.endswith('conv1.weight'))
    agw.model.zero_grad()
    inputs, modality = torch.rand(4, 3, 96, 48), torch.tensor([0, 1, 0, 1])
    agw.bare_pass(inputs, modality)
    agw.backbone_pass(inputs, modality)
    for network in (agw.bare, agw.model.backbone):
        assert all(p.grad is not None for p in network.parameters())
    shape = agw.model.backbone(agw.prepared()['inputs'],
                               agw.prepared()['targets']['modality']).shape
    without_backbone(agw)
    assert agw.model.backbone.maps.shape == shape
    agw.model.zero_grad()
    pass_behind(agw)
    assert all(p.grad is not None for p in agw.model.parameters()
               if p.requires_grad)


def test_modes_of_a_device(tools, tmp_path, monkeypatch):
    import step
    import step_device
    from images import write_images
    write_images(tmp_path / 'images', 48)
    monkeypatch.setattr(step_device, 'WARM_UP', 1)
    # Compiling takes minutes.
    monkeypatch.setattr(step_device, 'MODES', step_device.MODES[:2])
    options = step.parse_args(['--only', 'mmgl', '--steps', '1', *NARROW])
    figures, details = step_device.measure_on_device(
        options, str(tmp_path / 'images'), tmp_path)
    assert list(details) == ['mmgl, bf16, channels last', 'mmgl, fp32']
    values = {one.name: one for one in figures}
    assert values['mmgl, fp32: rate'].value > 0
    assert values['mmgl: 100 epochs of SYSU-MM01, projected'].target == 40
    assert 'mmgl, bf16, channels last: beyond the bare backbone' in values
