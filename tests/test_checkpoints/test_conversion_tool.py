"""The tool that translates released checkpoints."""

import numpy as np
import pytest
import torch
from converting import (
    CLASSES,
    STEM,
    TRUNK,
    WIDTH,
    build,
    config_of,
    released,
    same,
)
from mmengine.registry import init_default_scope

from mmgl.apis.conversion import run_conversion
from mmgl.checkpoints.converters import resnet_rules, translate
from mmgl.checkpoints.fit import load_backbone
from mmgl.checkpoints.provenance import seen_by
from mmgl.registry import MODELS


@pytest.fixture
def files(tmp_path):
    """Config, model and released file of a small AGW."""
    cfg = config_of('agw')
    model = build(cfg)
    cfg.dump(tmp_path / 'config.py')
    net = {f'module.{k}': v for k, v in released('agw', model).done.items()}
    # As written by the public code: not loadable with weights_only.
    torch.save(
        dict(net=net, cmc=np.zeros(3), mAP=np.float64(0.5), epoch=3),
        tmp_path / 'agw.t',
        _use_new_zipfile_serialization=False,
    )
    return tmp_path, model


def convert(folder, *arguments):
    run_conversion(
        [*map(str, arguments), '--config', str(folder / 'config.py')]
    )


def test_tool_there_and_back(files, capsys):
    folder, model = files
    out = folder / 'new' / 'agw.pth'
    convert(folder, 'agw', folder / 'agw.t', out, '--trial', 4)
    assert f'{2 * TRUNK} dropped: stages of a stem' in capsys.readouterr().out
    loaded = torch.load(out, weights_only=True)
    assert same(loaded['state_dict'], dict(model.state_dict()))
    assert loaded['meta']['trained_on'] == dict(dataset='regdb', trial=4)
    assert loaded['meta']['num_classes'] == CLASSES

    target = build(config_of('agw')).backbone
    report = load_backbone(target, out, 'mmgl')
    assert same(target.state_dict(), model.backbone.state_dict())
    assert not report.fresh

    convert(folder, 'agw', out, folder / 'back.t', '--reverse')
    back = torch.load(folder / 'back.t', weights_only=True)
    assert same(back['net'], released('agw', model).done)
    # What was seen goes through both directions.
    convert(folder, 'agw', folder / 'back.t', out, '--trial', 5)
    seen = seen_by(torch.load(out, weights_only=True)['meta'])
    assert [one['trial'] for one in seen] == [4, 5]


def test_tool_refuses_in_one_sentence(files, capsys):
    folder, _ = files
    for arguments, words in (
        (['agw', folder / 'none.t'], 'no file'),
        (['ddag', folder / 'agw.t'], 'no rule for NL_2.0.theta.weight'),
        (['agw', folder / 'agw.t', '--num-classes', 8], '7 identities'),
        (
            ['agw', folder / 'agw.t', '--drop', 'NL_2.'],
            '26 missing: backbone.non_local.layer2_2.theta.weight',
        ),
    ):
        with pytest.raises(SystemExit) as error:
            convert(folder, *arguments[:2], folder / 'out.pth', *arguments[2:])
        assert error.value.code == 2
        message = capsys.readouterr().err
        assert words in message and 'Traceback' not in message
        assert not (folder / 'out.pth').exists()


def test_tool_takes_the_number_of_identities_from_the_file(files, capsys):
    # Without --config the model is the one of the paper, hence too wide.
    folder, _ = files
    with pytest.raises(SystemExit):
        run_conversion(['agw', str(folder / 'agw.t'), str(folder / 'o.pth')])
    message = capsys.readouterr().err
    assert 'heads' not in message and 'of another shape' in message
    cfg = config_of('agw')
    cfg.model.heads.id.num_classes = 5
    cfg.dump(folder / 'config.py')
    with pytest.raises(SystemExit):
        convert(folder, 'agw', folder / 'agw.t', folder / 'o.pth')
    assert 'model.heads.id.num_classes=5' in capsys.readouterr().err


def torchvision_like(depth):
    backbone = MODELS.build(
        dict(type='OneStreamResNet', depth=depth, base_channels=WIDTH)
    )
    state = {
        k.removeprefix('stem.'): v for k, v in backbone.state_dict().items()
    }
    length = backbone.out_channels
    return dict(state) | {
        'fc.weight': torch.zeros(1000, length),
        'fc.bias': torch.zeros(1000),
    }


@pytest.mark.parametrize('depth', [18, 50])
@pytest.mark.parametrize('two_stream', [False, True])
def test_resnet(tmp_path, depth, two_stream):
    init_default_scope('mmgl')
    source = torchvision_like(depth)
    torch.save(source, tmp_path / 'in.pth')
    files = [str(tmp_path / name) for name in ('in.pth', 'o.pth', 'b.pth')]
    run_conversion(['resnet', *files[:2]] + ['--two-stream'] * two_stream)
    backbone = MODELS.build(
        dict(
            type='TwoStreamResNet' if two_stream else 'OneStreamResNet',
            depth=depth,
            base_channels=WIDTH,
        )
    )
    report = load_backbone(backbone, files[1], 'mmgl')
    assert len(report.matched) == len(backbone.state_dict())
    # And back, without the classifier.
    run_conversion(['resnet', *files[1:], '--reverse'])
    back = torch.load(files[2], weights_only=True)
    assert same(back, {k: v for k, v in source.items() if 'fc.' not in k})


def test_resnet_of_one_of_two_stems(tmp_path):
    init_default_scope('mmgl')
    model = build(config_of('agw'))
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'agw.pth')
    files = [str(tmp_path / name) for name in ('agw.pth', 'resnet.pth')]
    arguments = ['resnet', *files, '--reverse', '--stem', 'infrared']
    # Non-local blocks have no place there: leaving them out is a choice.
    with pytest.raises(SystemExit):
        run_conversion(arguments)
    run_conversion([*arguments, '--drop', 'backbone.non_local.'])
    back = torch.load(files[1], weights_only=True)
    assert len(back) == STEM + TRUNK
    assert torch.equal(
        back['conv1.weight'], model.backbone.infrared_stem.conv1.weight
    )


def test_resnet_names_are_those_of_torchvision():
    torchvision = pytest.importorskip('torchvision')
    with torch.device('meta'):
        state = torchvision.models.resnet50().state_dict()
    work = translate(state, resnet_rules())
    assert len(work.done) == STEM + TRUNK
    assert set(work.dropped) == {'fc.weight', 'fc.bias'}
