"""Translation of released checkpoints."""

import pytest
import torch
from converting import STEM, TRUNK, build, config_of, released, same
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmgl.checkpoints.converters import METHODS, check_tensors, translate
from mmgl.checkpoints.fit import load_backbone
from mmgl.registry import MODELS
from mmgl.utils.paths import config_dir


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
        len(state) - len(work.dropped) + stacked
    )


@pytest.mark.parametrize(
    'name,dead',
    [
        ('agw', 2 * TRUNK + STEM),
        ('caj', 2 * TRUNK + STEM),
        # Bias of fc2, convolution and batch norm W, two classifiers.
        ('ddag', 2 * TRUNK + STEM + 1 + 2 + 5 + 2),
        ('mpanet', 0),
        ('mutualinfo', 3 * 2),
    ],
)
def test_number_of_unused_tensors(name, dead):
    work = released(name, build(config_of(name)))
    assert len(work.filled) == dead


# Written down by hand from the released code, at its widths.
SHAPES = {
    'agw': {
        'visible_module.visible.conv1.weight': (64, 3, 7, 7),
        'thermal_module.thermal.layer3.5.bn3.running_var': (1024,),
        'base_resnet.base.layer4.0.downsample.1.weight': (2048,),
        'base_resnet.base.bn1.num_batches_tracked': (),
        'NL_2.1.g.0.weight': (1, 512, 1, 1),
        'NL_3.2.W.0.bias': (1024,),
        'NL_3.0.W.1.running_mean': (1024,),
        'NL_3.0.theta.bias': (1,),
        'bottleneck.weight': (2048,),
        'classifier.weight': (395, 2048),
    },
    'ddag': {
        'wpa.fc1.0.weight': (2048, 2048, 1, 1),
        'wpa.fc2.weight': (2048, 2048, 1, 1),
        'wpa.fc2.bias': (2048,),
        'wpa.fc3.bias': (2048,),
        'wpa.W.0.weight': (2048, 2048, 1, 1),
        'wpa.W.1.running_var': (2048,),
        'wpa.bottleneck.running_mean': (2048,),
        'wpa.gate': (3,),
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
        'spatial_attention.bias': (6,),
        'bn_neck.running_var': (14336,),
        'visible_classifier_.weight': (395, 14336),
        'infrared_classifier.weight': (395, 14336),
        'classifier.weight': (395, 14336),
    },
    'mutualinfo': {
        'IR_backbone.cam_256._cam_module.gamma': (1,),
        'RGB_backbone.base.layer2.3.conv2.weight': (128, 128, 3, 3),
        'shared_backbone.base.fc.weight': (1000, 2048),
        'shared_backbone.base.fc.bias': (1000,),
        'RGB_backbone.bottleneck.bias': (2048,),
        'RGB_backbone.classifier.0.bias': (395,),
        'IR_Bottleneck.bottleneck.model.0.weight': (1000, 2048),
        'IR_Bottleneck.bottleneck.model.4.running_mean': (500,),
        'IR_Bottleneck.bottleneck.model.6.weight': (512, 500),
        'shared_Bottleneck.classifier.1.weight': (256,),
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
        assert torch.equal(
            ours['heads.graph.hidden.weight'][k], theirs[f'attention_{k}.W']
        )


def test_values_go_to_the_right_stem():
    theirs = released('agw', build(config_of('agw'))).done
    ours = translate(theirs, METHODS['agw'].rules).done
    for stem, stream in (
        ('visible', 'visible_module.visible'),
        ('infrared', 'thermal_module.thermal'),
    ):
        assert torch.equal(
            ours[f'backbone.{stem}_stem.conv1.weight'],
            theirs[f'{stream}.conv1.weight'],
        )
    assert torch.equal(
        ours['backbone.non_local.layer3_5.out.weight'],
        theirs['NL_3.2.W.0.weight'],
    )


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
        ValueError, match=r'1 of another shape: b \(4,\) instead of'
    ):
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
