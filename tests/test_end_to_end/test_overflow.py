"""AGW's published loss overflows, and the run ends with a verdict."""

import pytest
import torch
from running import FINETUNE, cfg_options, config, finetune_options

from mmgl.apis.training import run_training
from mmgl.config.loading import load_config
from mmgl.engine.hooks.divergence import read_verdict
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope


@pytest.mark.parametrize('variant', ['agw', 'agw-exact'])
def test_features_with_distances_of_hundreds(
    variant, tiny_sysu, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    leaf = config(FINETUNE.replace('agw_', f'{variant}_'))
    options = finetune_options(tiny_sysu, iters=2)
    cfg = load_config(leaf)
    cfg.merge_from_dict(options)
    with registry_scope('mmgl'):
        state = MODELS.build(cfg.model).state_dict()
    state['backbone.layer4.1.bn2.weight'] *= 300
    torch.save(dict(state_dict=state), 'far.pth')
    arguments = [
        leaf,
        '--work-dir',
        'run',
        *cfg_options(dict(options, load_from='far.pth')),
    ]
    if variant == 'agw-exact':
        run_training(arguments)
        assert read_verdict('run') is None
        return
    with pytest.raises(SystemExit) as stopped:
        run_training(arguments)
    assert stopped.value.code == 3
    assert read_verdict('run').startswith('non-finite loss: loss')
