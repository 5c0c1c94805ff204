"""The tool on a narrow network; the equality has tests of its own."""

import pytest
import torch

from mmgl.apis.pruning import build_headless, check_equal, run_pruning
from mmgl.checkpoints.provenance import read_meta
from mmgl.config.loading import load_config
from mmgl.models.pruning import load_pruned, prune_model
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir


@pytest.fixture
def config(tmp_path):
    leaf = config_dir() / 'mmgl/finetune/nfs_r18-narrow_synthetic.py'
    path = tmp_path / 'narrow.py'
    path.write_text(
        f'_base_ = [{str(leaf)!r}]\n'
        'model = dict(backbone=dict(base_channels=8))\n'
    )
    return str(path)


SEEN = dict(dataset='regdb', split='train', trial=3)


def checkpoint(config, path, phase):
    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    for cell in model.backbone.plugins.values():
        cell.channel_logit.data.uniform_(-1, 3)
        cell.set_phase(phase, 0.1)
    meta = dict(trained_on=SEEN, epoch=3)
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return model.eval()


def test_export(config, tmp_path, capsys):
    source, out = str(tmp_path / 'a.pth'), tmp_path / 'pruned.pth'
    with registry_scope('mmgl'):
        model = checkpoint(config, source, 'hard')
    run_pruning([config, source, str(out), '--size', '96', '48'])
    text = capsys.readouterr().out
    subset = model.backbone.plugins['layer1'].channel_subsets()[0]
    assert 0 < subset.sum() < 8
    assert f'visible: channels of layer1..4 {int(subset.sum())}/8' in text
    assert 'infrared' in text and 'GFLOP' in text
    with registry_scope('mmgl'):
        pruned = load_pruned(out)
    assert read_meta(out) == dict(seen=[SEEN])
    x, modality = torch.randn(2, 3, 96, 48), torch.tensor([0, 1])
    with torch.no_grad():
        torch.testing.assert_close(
            pruned(x, dict(modality=modality)),
            model(x, dict(modality=modality)),
            rtol=1e-4,
            atol=1e-4,
        )


def test_unfinished_search_is_refused(config, tmp_path, capsys):
    source, out = str(tmp_path / 'a.pth'), tmp_path / 'pruned.pth'
    with registry_scope('mmgl'):
        checkpoint(config, source, 'search')
    with pytest.raises(SystemExit) as caught:
        run_pruning([config, source, str(out), '--size', '96', '48'])
    assert caught.value.code == 2
    assert 'search has ended' in capsys.readouterr().err
    assert not out.exists()


def test_other_networks_are_noticed(config, tmp_path):
    source = str(tmp_path / 'a.pth')
    with registry_scope('mmgl'):
        checkpoint(config, source, 'hard')
        model, _ = build_headless(config, source)
        pruned = prune_model(model)
        pruned.backbone.infrared.layer4[0].conv1.weight.data[0] *= 1.001
        with pytest.raises(ValueError, match='nothing was written'):
            check_equal(model, pruned, (96, 48))


def test_surplus_tensors_are_refused(config, tmp_path, capsys):
    source, out = tmp_path / 'a.pth', tmp_path / 'pruned.pth'
    with registry_scope('mmgl'):
        checkpoint(config, source, 'hard')
    content = torch.load(source, weights_only=True)
    content['state_dict']['backbone.layer5.weight'] = torch.ones(3)
    torch.save(content, source)
    with pytest.raises(SystemExit) as caught:
        run_pruning([config, str(source), str(out), '--size', '96', '48'])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert '1 without a place: backbone.layer5.weight' in message
    assert not out.exists()
