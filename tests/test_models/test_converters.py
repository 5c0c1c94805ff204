"""Translation of released checkpoints.

Stand-ins have the released names and a backbone of depth 50 and base width 2.
"""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmgl.apis.conversion import run_conversion
from mmgl.models.converters import (
    METHODS,
    check_tensors,
    resnet_rules,
    translate,
)
from mmgl.models.weights import load_backbone
from mmgl.registry import MODELS
from mmgl.utils.paths import config_dir

CLASSES = 7
WIDTH = 2
# Parameters and buffers of a ResNet-50 without its classifier.
STEM, TRUNK = 6, 312


def config_of(name):
    cfg = Config.fromfile(config_dir() / METHODS[name].config)
    cfg.model.init_from = None
    cfg.model.data_preprocessor = dict(type='ReIDDataPreprocessor')
    backbone = cfg.model.backbone
    backbone.get('network', backbone).base_channels = WIDTH
    for head in cfg.model.heads.values():
        if 'num_classes' in head:
            head.num_classes = CLASSES
    if name == 'mutualinfo':
        cfg.model.neck.hidden_channels = (6, 5)
        cfg.model.neck.representation_channels = 4
    return cfg


def build(cfg):
    init_default_scope('mmgl')
    model = MODELS.build(cfg.model)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.normal_()
        else:
            value.fill_(3)
    return model.eval()


def released(name, model):
    return translate(model.state_dict(), METHODS[name].rules, True)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize('name', METHODS)
def test_round_trip(name):
    model = build(config_of(name))
    state = model.state_dict()
    if 'heads.graph.ramp' in state:
        state['heads.graph.ramp'].fill_(1)
    work = released(name, model)
    back = translate(work.done, METHODS[name].rules)
    assert same(back.done, state)
    # What is made for the release is what is dropped from it.
    assert back.dropped == work.filled
    assert back.filled == work.dropped
    # One to one, except for two tensors of four attention heads each.
    stacked = 2 * 3 if name == 'ddag' else 0
    assert len(work.done) - len(work.filled) == (
        len(state) - len(work.dropped) + stacked)


@pytest.mark.parametrize('name,dead', [
    ('agw', 2 * TRUNK + STEM),
    ('caj', 2 * TRUNK + STEM),
    # Bias of fc2, convolution and batch norm W, two classifiers.
    ('ddag', 2 * TRUNK + STEM + 1 + 2 + 5 + 2),
    ('mpanet', 0),
    ('mutualinfo', 3 * 2),
])
def test_number_of_unused_tensors(name, dead):
    work = released(name, build(config_of(name)))
    assert len(work.filled) == dead


# Written down by hand from the released code, at its widths.
SHAPES = {
    'agw': {
        'visible_module.visible.conv1.weight': (64, 3, 7, 7),
        'thermal_module.thermal.layer3.5.bn3.running_var': (1024, ),
        'base_resnet.base.layer4.0.downsample.1.weight': (2048, ),
        'base_resnet.base.bn1.num_batches_tracked': (),
        'NL_2.1.g.0.weight': (1, 512, 1, 1),
        'NL_3.2.W.0.bias': (1024, ),
        'NL_3.0.W.1.running_mean': (1024, ),
        'NL_3.0.theta.bias': (1, ),
        'bottleneck.weight': (2048, ),
        'classifier.weight': (395, 2048),
    },
    'ddag': {
        'wpa.fc1.0.weight': (2048, 2048, 1, 1),
        'wpa.fc2.weight': (2048, 2048, 1, 1),
        'wpa.fc2.bias': (2048, ),
        'wpa.fc3.bias': (2048, ),
        'wpa.W.0.weight': (2048, 2048, 1, 1),
        'wpa.W.1.running_var': (2048, ),
        'wpa.bottleneck.running_mean': (2048, ),
        'wpa.gate': (3, ),
        'attention_3.W': (2048, 512),
        'attention_0.a': (1024, 1),
        'out_att.W': (2048, 395),
        'out_att.a': (790, 1),
        'classifier1.weight': (395, 2048),
    },
    'mpanet': {
        'backbone.conv1.weight': (64, 3, 7, 7),
        'backbone.MAM3.channel_attention.0.weight': (64, 1024, 1, 1),
        'backbone.MAM4.channel_attention.2.weight': (2048, 128, 1, 1),
        'spatial_attention.bias': (6, ),
        'bn_neck.running_var': (14336, ),
        'visible_classifier_.weight': (395, 14336),
        'infrared_classifier.weight': (395, 14336),
        'classifier.weight': (395, 14336),
    },
    'mutualinfo': {
        'IR_backbone.cam_256._cam_module.gamma': (1, ),
        'RGB_backbone.base.layer2.3.conv2.weight': (128, 128, 3, 3),
        'shared_backbone.base.fc.weight': (1000, 2048),
        'shared_backbone.base.fc.bias': (1000, ),
        'RGB_backbone.bottleneck.bias': (2048, ),
        'RGB_backbone.classifier.0.bias': (395, ),
        'IR_Bottleneck.bottleneck.model.0.weight': (1000, 2048),
        'IR_Bottleneck.bottleneck.model.4.running_mean': (500, ),
        'IR_Bottleneck.bottleneck.model.6.weight': (512, 500),
        'shared_Bottleneck.classifier.1.weight': (256, ),
        'shared_Bottleneck.classifier.4.weight': (395, 256),
    },
}


@pytest.mark.parametrize('name', SHAPES)
def test_released_names_and_shapes(name):
    cfg = Config.fromfile(config_dir() / METHODS[name].config)
    cfg.model.init_from = None
    init_default_scope('mmgl')
    with torch.device('meta'):
        state = MODELS.build(cfg.model).state_dict()
    done = translate(state, METHODS[name].rules, True).done
    for tensor, shape in SHAPES[name].items():
        assert tuple(done[tensor].shape) == shape, tensor


def test_graph_attention_heads_keep_their_meaning():
    work = released('ddag', build(config_of('ddag')))
    theirs = work.done
    ours = translate(theirs, METHODS['ddag'].rules).done
    for k in range(4):
        length = theirs[f'attention_{k}.W'].shape[1]
        vectors = ours['heads.graph.hidden.vectors'][k]
        assert torch.equal(vectors[0], theirs[f'attention_{k}.a'][:length, 0])
        assert torch.equal(vectors[1], theirs[f'attention_{k}.a'][length:, 0])
        assert torch.equal(ours['heads.graph.hidden.weight'][k],
                           theirs[f'attention_{k}.W'])


def test_values_go_to_the_right_stem():
    theirs = released('agw', build(config_of('agw'))).done
    ours = translate(theirs, METHODS['agw'].rules).done
    for stem, stream in (('visible', 'visible_module.visible'),
                         ('infrared', 'thermal_module.thermal')):
        assert torch.equal(ours[f'backbone.{stem}_stem.conv1.weight'],
                           theirs[f'{stream}.conv1.weight'])
    assert torch.equal(ours['backbone.non_local.layer3_5.out.weight'],
                       theirs['NL_3.2.W.0.weight'])


@pytest.mark.parametrize('name', METHODS)
def test_backbone_can_be_initialised(name):
    model = build(config_of(name))
    theirs = released(name, model).done
    ours = translate(theirs, METHODS[name].rules).done
    target = build(config_of(name)).backbone
    report = load_backbone(target, ours, 'mmgl')
    assert same(target.state_dict(), model.backbone.state_dict())
    assert len(report.matched) == len(target.state_dict())


def test_unknown_tensors_are_named():
    state = released('mpanet', build(config_of('mpanet'))).done
    state['center_loss.centers'] = torch.zeros(2)
    with pytest.raises(ValueError, match=r'no rule for center_loss\.centers'):
        translate(state, METHODS['mpanet'].rules)


def test_check_tensors_names_everything():
    good = {'a': torch.zeros(2), 'b': torch.zeros(3)}
    check_tensors(good, good)
    with pytest.raises(ValueError, match='1 missing: b'):
        check_tensors({'a': torch.zeros(2)}, good)
    with pytest.raises(
            ValueError, match=r'1 of another shape: b \(4,\) instead of'):
        check_tensors({**good, 'b': torch.zeros(4)}, good)
    with pytest.raises(ValueError, match='1 without a place: c'):
        check_tensors({**good, 'c': torch.zeros(1)}, good)


def test_lost_counters_start_from_zero():
    state = released('agw', build(config_of('agw'))).done
    full = translate(state, METHODS['agw'].rules).done
    old = {k: v for k, v in state.items() if 'num_batches' not in k}
    done = translate(old, METHODS['agw'].rules).done
    assert done.keys() == full.keys()
    assert done['neck.bn.num_batches_tracked'] == 0


# ----------------------------------------------------------------- the tool
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
        tmp_path / 'agw.t', _use_new_zipfile_serialization=False)
    return tmp_path, model


def convert(folder, *arguments):
    run_conversion([*map(str, arguments), '--config',
                    str(folder / 'config.py')])


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


def test_tool_refuses_in_one_sentence(files, capsys):
    folder, _ = files
    for arguments, words in (
        (['agw', folder / 'none.t'], 'no file'),
        (['ddag', folder / 'agw.t'], 'no rule for NL_2.0.theta.weight'),
        (['agw', folder / 'agw.t', '--num-classes', 8], '7 identities'),
        (['agw', folder / 'agw.t', '--drop', 'NL_2.'],
         '26 missing: backbone.non_local.layer2_2.theta.weight'),
    ):
        with pytest.raises(SystemExit) as error:
            convert(folder, *arguments[:2], folder / 'out.pth',
                    *arguments[2:])
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
        dict(type='OneStreamResNet', depth=depth, base_channels=WIDTH))
    state = {k.removeprefix('stem.'): v
             for k, v in backbone.state_dict().items()}
    length = backbone.out_channels
    return dict(state) | {
        'fc.weight': torch.zeros(1000, length),
        'fc.bias': torch.zeros(1000)
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
            base_channels=WIDTH))
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
    assert torch.equal(back['conv1.weight'],
                       model.backbone.infrared_stem.conv1.weight)


def test_resnet_names_are_those_of_torchvision():
    torchvision = pytest.importorskip('torchvision')
    with torch.device('meta'):
        state = torchvision.models.resnet50().state_dict()
    work = translate(state, resnet_rules())
    assert len(work.done) == STEM + TRUNK
    assert set(work.dropped) == {'fc.weight', 'fc.bias'}
