"""A resumed run: progress of the file, settings of the config."""

import shutil

import pytest
import torch

from mmgl.apis.training import run_training
from mmgl.checkpoints.reader import read_checkpoint

SCHEDULE = """
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=12, by_epoch=False),
    dict(type='MultiStepLR', milestones=[3, 5], gamma=0.1),
    dict(type='CosineAnnealingLR', eta_min=0, begin=1, end=6, by_epoch=True,
         convert_to_iter_based=True)]
default_hooks = dict(checkpoint=dict(max_keep_ckpts=9))
"""


def train(config, work_dir, *arguments, **settings):
    options = [f'{key}={value}' for key, value in settings.items()]
    run_training(
        [config, '--work-dir', work_dir, *arguments]
        + (['--cfg-options', *options] if options else [])
    )


def epochs(number):
    return {'train_cfg.max_epochs': number}


def settings_of(path):
    return read_checkpoint(path)['optimizer']['param_groups'][0]


def refusal(capsys, *arguments, code=2, **settings):
    """The one sentence of a training that is refused."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        train(*arguments, **settings)
    assert stopped.value.code == code
    text = capsys.readouterr().err
    (line,) = [one for one in text.splitlines() if one.startswith('error: ')]
    assert 'Traceback' not in text
    return line


@pytest.fixture
def two_epochs(toy_config):
    """Config, and the checkpoint of a run of two epochs with it."""
    config = toy_config(SCHEDULE)
    train(config, 'short', **epochs(2))
    return config, 'short/epoch_2.pth'


def test_a_longer_run_is_the_run_in_one_go(two_epochs):
    config, path = two_epochs
    # Runs that begin in one second share what mmengine keeps of files.
    first = settings_of(path)['lr']
    train(config, 'whole', **epochs(6))
    train(config, 'short', '--resume', **epochs(6))
    for epoch in range(3, 7):
        one, two = (
            read_checkpoint(f'{folder}/epoch_{epoch}.pth')
            for folder in ('whole', 'short')
        )
        assert (
            one['optimizer']['param_groups']
            == (two['optimizer']['param_groups'])
        )
        assert one['param_schedulers'] == two['param_schedulers']
        for name, value in one['state_dict'].items():
            assert torch.equal(value, two['state_dict'][name]), (epoch, name)
    assert settings_of('short/epoch_6.pth')['lr'] < 0.02 * first


def test_settings_are_those_of_the_config(two_epochs, tmp_path):
    config, path = two_epochs
    chosen = dict(lr=0.02, momentum=0.3, weight_decay=0.05)
    changes = {f'optim_wrapper.optimizer.{k}': v for k, v in chosen.items()}
    train(config, 'new', '--resume', path, **changes, **epochs(3))
    found = settings_of('new/epoch_3.pth')
    old = settings_of(path)
    assert (found['momentum'], found['weight_decay']) == (0.3, 0.05)
    assert found['initial_lr'] == 0.02 != old['initial_lr']
    # The record says what was used, in file and checkpoint.
    for text in (
        (tmp_path / 'new/toy_config.py').read_text(),
        read_checkpoint('new/epoch_3.pth')['meta']['cfg'],
        read_checkpoint('new/epoch_3.pth')['message_hub']['runtime_info'][
            'cfg'
        ],
    ):
        assert 'lr=0.02' in text and 'momentum=0.3' in text


def test_what_cannot_be_applied_is_refused(two_epochs, tmp_path, capsys):
    config, path = two_epochs
    optimizer = 'optim_wrapper.optimizer'
    adam = {f'{optimizer}._delete_': True, f'{optimizer}.type': 'Adam'}
    for arguments, settings, words in (
        (['--seed', '5'], {}, 'trained with seed 0, the config says 5'),
        ([], epochs(1), 'has seen 2 epochs, more than train_cfg.max_epochs=1'),
        ([], adam, 'does not fit optim_wrapper.optimizer'),
    ):
        line = refusal(
            capsys, config, 'new', '--resume', path, *arguments, **settings
        )
        assert words in line
        # A run that did not start leaves no record of its config.
        assert not (tmp_path / 'new/toy_config.py').exists()
    train(config, 'new', '--resume', path, **epochs(2))


FAULTS = {
    'missing': (lambda s: s.pop('first.weight'), '1 missing: first.weight'),
    'reshaped': (
        lambda s: s.update({'first.weight': torch.ones(2, 2)}),
        'first.weight (2, 2) instead of (4, 4)',
    ),
    'renamed': (
        lambda s: s.update({'furst.weight': s.pop('first.weight')}),
        '1 without a place: furst.weight',
    ),
    'integers': (
        lambda s: s.update({'first.weight': torch.ones(4, 4).long()}),
        'first.weight torch.int64 instead of torch.float32',
    ),
    'complex': (
        lambda s: s.update({'first.weight': torch.ones(4, 4) * 1j}),
        'first.weight torch.complex64 instead of torch.float32',
    ),
    'bool': (
        lambda s: s.update({'first.weight': torch.ones(4, 4) > 0}),
        'first.weight torch.bool instead of torch.float32',
    ),
    'counter': (
        lambda s: s.update({'norm.num_batches_tracked': torch.ones(())}),
        'torch.float32 instead of torch.int64',
    ),
    'infinite': (lambda s: s['first.weight'].fill_(torch.inf), 'NaN or Inf'),
    'sparse': (
        lambda s: s.update({'first.weight': torch.eye(4).to_sparse()}),
        'no state_dict of tensors',
    ),
    'empty': (lambda s: s.clear(), 'no state_dict of tensors'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_weights_must_fit(fault, two_epochs, capsys):
    config, path = two_epochs
    change, words = FAULTS[fault]
    content = torch.load(path, weights_only=False)
    change(content['state_dict'])
    torch.save(content, 'bad.pth')
    for arguments, settings in (
        (['--resume', 'bad.pth'], {}),
        ([], {'load_from': 'bad.pth'}),
    ):
        assert words in refusal(capsys, config, 'new', *arguments, **settings)


PROGRESS = {
    'no epoch': (lambda c: c['meta'].pop('epoch'), 'no training to go on'),
    'epoch': (lambda c: c['meta'].update(epoch=-1), 'no training to go on'),
    'meta': (lambda c: c.update(meta='x'), 'meta that is no dict'),
    'optimizer': (lambda c: c.pop('optimizer'), 'no training to go on'),
    'log': (lambda c: c.update(message_hub={}), 'message_hub'),
    'groups': (
        lambda c: c['optimizer'].update(param_groups=[]),
        'other groups of parameters',
    ),
    'state': (
        lambda c: c['optimizer'].update(state={0: 3}),
        'another structure',
    ),
    'momentum': (
        lambda c: c['optimizer']['state'][0]['momentum_buffer'].fill_(
            torch.nan
        ),
        'NaN or Inf in momentum_buffer of 0',
    ),
    'shape': (
        lambda c: c['optimizer']['state'][0].update(
            momentum_buffer=torch.ones(7)
        ),
        'another shape in momentum_buffer of 0',
    ),
}


@pytest.mark.parametrize('fault', PROGRESS)
def test_progress_must_fit(fault, two_epochs, capsys):
    config, path = two_epochs
    change, words = PROGRESS[fault]
    content = torch.load(path, weights_only=False)
    change(content)
    torch.save(content, 'bad.pth')
    assert words in refusal(capsys, config, 'new', '--resume', 'bad.pth')


def test_a_config_in_a_checkpoint_is_not_run(two_epochs, tmp_path):
    config, path = two_epochs
    content = torch.load(path, weights_only=False)
    content['meta']['config'] = "open('ran', 'w')"
    torch.save(content, 'bad.pth')
    train(config, 'new', '--resume', 'bad.pth')
    assert not (tmp_path / 'ran').exists()


def test_the_best_checkpoint_of_another_run_is_kept(two_epochs, tmp_path):
    config, path = two_epochs
    shutil.copy(path, 'best.pth')
    content = torch.load(path, weights_only=False)
    info = content['message_hub']['runtime_info']
    info.update(best_ckpt=str(tmp_path / 'best.pth'), best_score=1e9)
    content['message_hub']['resumed_keys'].update(
        best_ckpt=True, best_score=True
    )
    torch.save(content, 'other.pth')
    hook = 'default_hooks.checkpoint'
    best = {f'{hook}.save_best': 'toy/error', f'{hook}.rule': 'less'}
    train(config, 'new', '--resume', 'other.pth', **best)
    assert (tmp_path / 'best.pth').exists()
    assert list((tmp_path / 'new').glob('best_*'))


def test_what_is_not_finite_is_not_saved(toy_config, tmp_path, capsys):
    """The last step overflows; no loss shows it, and no hook looks."""
    config = toy_config('custom_hooks = []\nparam_scheduler = None\n')
    line = refusal(
        capsys,
        config,
        'new',
        code=3,
        **epochs(1),
        **{
            'optim_wrapper.optimizer.lr': 1e38,
            'train_dataloader.batch_size': 32,
        },
    )
    assert 'training diverged, NaN or Inf in second.weight' in line
    assert (tmp_path / 'new/diverged.json').is_file()
    assert not list((tmp_path / 'new').glob('*.pth'))
