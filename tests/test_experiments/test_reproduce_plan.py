"""Planning tables and figures: cells, shared runs, overrides, data."""

import subprocess
import sys
from pathlib import Path

import pytest
from mmengine import Config
from reproducing import make_options, start, write_splits

from mmgl.config.overrides import expand
from mmgl.datasets.synthetic import GENERATOR_VERSION
from mmgl.experiments import FIGURES, TABLES, TARGETS, Cell, Options, cells_of
from mmgl.experiments.cells import find_config
from mmgl.experiments.checks import describe_splits
from mmgl.experiments.methods import DATASETS, METHODS
from mmgl.experiments.plan import Planner
from mmgl.experiments.pretrainings import PRETRAININGS, RIVALS
from mmgl.experiments.settings import what_decides
from mmgl.experiments.stage import Stage, with_needs
from mmgl.utils.errors import ConfigError
from mmgl.utils.paths import config_dir

ROOT = config_dir().parent


def make_planner(scale='mini', measured=None, **changes):
    roots = {'sysu': Path('/d'), 'regdb': Path('/e')}
    options = Options(
        ['all'], scale, data_root=roots, document=None, **changes
    )
    return Planner(options, measured)


def options_of(stage):
    """Read the --cfg-options of a command that needs no checkpoint."""
    words = [str(word) for word in stage.command]
    given = words[words.index('--cfg-options') + 1 :]
    return dict(word.split('=', 1) for word in given)


def test_cells():
    cells = cells_of('table2', 'mini')
    assert len(cells) == len(set(cells)) == 7 * 2 * 3
    assert len(cells_of('table2', 'full')) == 7 * 3
    # Ten trials.
    assert len(cells_of('table3', 'full')) == 7 * 3 * 10
    assert len(cells_of('table3', 'mini', 1)) == 7 * 2
    assert len(cells_of('table4', 'mini')) == (8 + 2) * 3
    assert len(cells_of('table4', 'full')) == 8 + 3
    assert len(cells_of('table5', 'mini', 1)) == 5
    assert len(cells_of('table6', 'mini', 1)) == 6
    for bad in (
        ('table1', 'mini'),
        ('table2', 'huge'),
        ('table4-native', 'mini'),
        ('table2', 'mini', 0),
    ):
        with pytest.raises(ValueError):
            cells_of(*bad)


def test_some_cells_only(tmp_path):
    def names(*only):
        options = make_options(tmp_path, only=only, seeds=1)
        return [cell.name for cell in options.cells()]

    assert names('agw', 'caj') == [
        'agw_random_seed0',
        'agw_mmgl_seed0',
        'caj_random_seed0',
        'caj_mmgl_seed0',
    ]
    assert names('agw', 'caj', 'mmgl') == ['agw_mmgl_seed0', 'caj_mmgl_seed0']
    assert len(names('random')) == 7
    # The last of them is a name of other tables.
    for bad in (
        ['agw', 'mmlg'],
        ['agw', 'simclr'],
        ['agw', 'random', 'simclr'],
    ):
        with pytest.raises(ValueError, match=rf'only.*table2.*{bad[-1]}'):
            names(*bad)
    with pytest.raises(ValueError, match='fig3'):
        make_options(tmp_path, targets=['fig3'], only=['agw']).cells()


@pytest.mark.parametrize('scale', ['mini', 'full'])
@pytest.mark.parametrize(
    'target, label',
    [
        ('table2', 'MMGL'),
        ('table3', 'MMGL'),
        ('table4', 'MMGL'),
        ('table5', 'P + C + E'),
        ('table6', '6'),
        ('table7', '0.07'),
        ('table8', '0.2'),
        ('ablation-streams', 'two-stream'),
        ('ablation-source', 'SYSU-MM01'),
        ('ablation-source-regdb', 'SYSU-MM01'),
    ],
)
def test_mmgl_means_the_plain_method_in_every_table(
    target, label, scale, tmp_path
):
    options = make_options(
        tmp_path, targets=[target], scale=scale, only=['mmgl'], seeds=1
    )
    (wanted,) = {
        row.init
        for row in TABLES[target].rows(scale).values()
        if row.labels[-1] == label
    }
    assert {cell.init for cell in options.cells()} == {wanted}


def test_names_are_unique_and_those_of_old_records_stay():
    cells = {
        cell
        for scale in ('mini', 'full')
        for name in TABLES
        if scale in TABLES[name].scales
        for cell in cells_of(name, scale)
    }
    assert len({(cell.scale, cell.name) for cell in cells}) == len(cells)
    assert Cell('mini', 'agw', 'mmgl', 2).name == 'agw_mmgl_seed2'
    assert Cell('full', 'agw', 'mmgl', 0, 'regdb', 3).name == (
        'agw_mmgl_regdb_trial3_seed0'
    )
    old = dict(scale='mini', method='agw', init='mmgl', seed=2)
    assert Cell(**old).to_dict() == old


@pytest.mark.parametrize('scale', ['mini', 'full'])
@pytest.mark.parametrize('method', METHODS)
def test_every_method_has_one_config(method, scale):
    rows = [row for t in TABLES.values() for row in t.rows(scale).values()]
    for data in {row.data for row in rows if row.method == method}:
        assert find_config(ROOT, method, DATASETS[scale][data].ending)
    with pytest.raises(FileNotFoundError, match='0 configs'):
        find_config(ROOT, method, 'unknown')


@pytest.mark.parametrize('scale', ['mini', 'full'])
def test_every_pretraining_has_a_config(scale):
    assert set(RIVALS) < set(PRETRAININGS[scale])
    for key, about in PRETRAININGS[scale].items():
        for stream in ('one-stream', 'two-stream'):
            path = ROOT / about.config.format(stream=stream)
            assert path.is_file(), f'{key}: {path}'


@pytest.mark.parametrize('method', ['agw', 'one-stream'])
@pytest.mark.parametrize('init', ['random', 'mmgl'])
def test_fingerprints_of_table2_depend_on_configs_only(method, init):
    """As records there are were made: configs, seed, data, init.

    And in the order in memory of public code.
    """

    def part(kind, ingredients, *needs):
        return Stage('x', 'x', kind, Path(), ingredients, list(needs))

    def training(kind, path, *needs, **more):
        config = Config.fromfile(ROOT / path, lazy_import=False).to_dict()
        del config['default_hooks']['channels_last']
        decides = what_decides(config)
        return part(kind, {'config': decides, 'seed': 1, **more}, *needs)

    made_from = dict(preset='mini', seed=0, generator=GENERATOR_VERSION)
    needs = [part('data', made_from)]
    if init == 'mmgl':
        stream = METHODS[method].stream
        config = f'configs/mmgl/pretrain/mmgl_{stream}_r18-narrow_synthetic.py'
        needs.append(training('pretrain', config, needs[0]))
    config = find_config(ROOT, method, 'synthetic')
    trained = training('finetune', config, *needs, init=init)
    tested = part('evaluate', {'init': init}, trained)
    planned = make_planner().evaluation(Cell('mini', method, init, 1))
    assert planned.fingerprint == tested.fingerprint
    other = make_planner().evaluation(Cell('mini', method, init, 2))
    assert other.fingerprint != tested.fingerprint


def test_fingerprint_ignores_what_is_only_reported():
    """Another interval of the log does not make a run another one."""
    cell = Cell('mini', 'agw', 'random', 0)

    def fingerprint(**overrides):
        changes = {k.replace('__', '.'): v for k, v in overrides.items()}
        planner = make_planner(overrides=changes, results=Path('/r'))
        return planner.finetuning(cell).fingerprint

    plain = fingerprint()
    # What files of _base_ offer, but no part of this run takes.
    with pytest.raises(ConfigError, match='nothing reads'):
        fingerprint(erase_augment='X')
    assert fingerprint(default_hooks__logger__interval=7) == plain
    assert fingerprint(default_hooks__runtime_info__type='X') == plain
    assert fingerprint(log_level='DEBUG') == plain
    assert fingerprint(default_hooks__checkpoint__interval=7) != plain
    assert fingerprint(train_cfg__max_epochs=7) != plain


def test_what_cells_share_is_planned_once():
    planner = make_planner()
    cells = [
        cell
        for name in ('table4', 'table5', 'table7')
        for cell in cells_of(name, 'mini', 1)
    ]
    stages = with_needs(map(planner.evaluation, cells))
    names = [stage.name for stage in stages]
    assert len(names) == len(set(names))
    short = [n for n in names if n.startswith('pretrain/mmgl-10e')]
    assert short == ['pretrain/mmgl-10e_two-stream_seed0']
    done = set()
    for stage in stages:
        assert done.issuperset(need.name for need in stage.needs)
        done.add(stage.name)
    # At full scale one- and two-stream runs of Table II serve elsewhere.
    full = make_planner('full')
    streams = full.evaluation(Cell('full', 'agw', 'mmgl-one-stream', 0))
    table2 = full.evaluation(Cell('full', 'one-stream', 'mmgl', 0))
    assert streams.needs[0].needs[-1] is table2.needs[0].needs[-1]
    third = full.evaluation(Cell('full', 'one-stream', 'mmgl', 0, 'regdb', 4))
    assert third.needs[0].needs[-1] is table2.needs[0].needs[-1]


@pytest.mark.parametrize('scale', ['mini', 'full'])
@pytest.mark.parametrize(
    'key, expected',
    [
        ('mmgl-p', {'model.heads.part': 'None'}),
        ('mmgl-pe', {'model.heads.part.contrast': 'None'}),
        ('mmgl-pc', {'model.heads.part.position': 'False'}),
        ('mmgl-tau0.05', {'model.heads.part.contrast.temperature': '0.05'}),
        ('mmgl-lambda1', {'model.heads.part.contrast.loss_weight': '1'}),
        (
            'mmgl-n9',
            {
                'model.heads.permutation.num_stripes': '9',
                'model.heads.part.num_stripes': '9',
            },
        ),
    ],
)
def test_ablations_are_overrides(scale, key, expected):
    stage = make_planner(scale).pretraining(key, 'two-stream', 0)
    given = options_of(stage)
    assert expected.items() <= given.items()
    if key == 'mmgl-n9':
        shuffles = [
            path
            for path, value in given.items()
            if path.endswith('num_stripes') and 'pipeline' in path
        ]
        assert {path.split('.')[0] for path in shuffles} == {
            'train_dataloader',
            'val_dataloader',
        }


def test_eighteen_rows_at_mini_scale():
    planner = make_planner()
    tested = planner.evaluation(
        Cell('mini', 'agw', 'mmgl-n18', 0, 'sysu-18rows')
    )
    trained = tested.needs[0]
    for stage in (tested, trained, trained.needs[-1]):
        given = options_of(stage)
        sizes = {
            value for key, value in given.items() if key.endswith('.scale')
        }
        assert sizes == {'(48, 288)'}
        assert given['model.backbone.base_channels'] == '16'
        assert any(key.endswith('.crop_size') for key in given)


@pytest.mark.parametrize('trial', [1, 7])
def test_a_trial_is_trained_and_tested(trial):
    planner = make_planner('full')
    tested = planner.evaluation(
        Cell('full', 'mpanet', 'mmgl-regdb', 0, 'regdb', trial)
    )
    (trained,) = tested.needs
    for stage, section in (
        (tested, 'test'),
        (trained, 'train'),
        (trained.needs[-1], 'train'),
    ):
        key = f'{section}_dataloader.dataset.trial'
        assert options_of(stage)[key] == str(trial)
    shared = planner.pretraining('mmgl', 'one-stream', 0, trial)
    assert shared.name == 'pretrain/mmgl_one-stream_seed0'


def test_embedded_regdb_at_mini_scale():
    planner = make_planner()
    tested = planner.evaluation(Cell('mini', 'mpanet', 'mmgl', 0, 'regdb', 1))
    given = options_of(tested)
    assert given['test_dataloader.dataset.type'] == 'RegDB'
    assert given['test_evaluator.protocol'] == 'regdb'
    assert given['test_dataloader.dataset.data_root'] == '/e'
    assert given['model.heads.id.num_classes'] == '40'
    assert given['model.heads.modality.num_classes'] == '40'
    needs = {stage.name for stage in with_needs([tested])}
    # Pre-trained on the other layout, with the runs of Table II.
    assert {'data', 'data-regdb', 'pretrain/mmgl_one-stream_seed0'} < needs


def test_imagenet_weights_of_a_network_of_its_own(tmp_path):
    cell = Cell('mini', 'agw-mobilenetv2', 'imagenet', 0)
    assert cell in cells_of('backbones', 'mini')
    assert not [c for c in cells_of('table2', 'mini') if c.init == 'imagenet']
    weights = tmp_path / 'weights.pt'
    with pytest.raises(ConfigError, match='weights.pt is no file'):
        make_planner(imagenet=weights)
    weights.touch()
    fetched, given = (
        make_planner(**more).finetuning(cell)
        for more in ({}, {'imagenet': weights})
    )
    for stage, name in ((fetched, 'torchvision'), (given, str(weights))):
        word = stage.command.index('--init-checkpoint') + 1
        assert str(stage.command[word]).startswith(name)
    # The same weights, wherever they lie.
    assert fetched.fingerprint == given.fingerprint


def test_one_stem_is_copied_into_both():
    stage = make_planner().finetuning(
        Cell('mini', 'agw', 'mmgl-one-stream', 0)
    )
    assert options_of(stage)['model.init_from.stems'] == 'duplicate'
    assert stage.ingredients['init_options'] == {'stems': 'duplicate'}
    pretrained = stage.needs[-1]
    assert options_of(pretrained)['model.backbone.type'] == 'OneStreamResNet'


def test_unknown_key_is_named():
    config = Config.fromfile(
        ROOT / 'configs/mmgl/finetune/agw_r18-narrow_synthetic.py'
    )
    assert expand(config, {'*.num_instances': 2}, 'c') == {
        'train_dataloader.sampler.num_instances': 2
    }
    with pytest.raises(ValueError, match=r"agw.*'stripes'"):
        expand(config, {'*.stripes': 2}, 'agw')


def test_user_overrides_have_the_last_word():
    planner = make_planner(
        overrides={'model.heads.part': 'x'}, results=Path('/r')
    )
    stage = planner.pretraining('mmgl-p', 'two-stream', 0)
    assert options_of(stage)['model.heads.part'] == 'x'


def test_records_are_trained_in_the_order_of_public_code():
    hook = 'default_hooks.channels_last'
    cell = Cell('mini', 'agw', 'mmgl', 0)

    def trainings(**changes):
        planner = make_planner(overrides=changes, results=Path('/r'))
        stages = with_needs([planner.finetuning(cell)])
        return [s for s in stages if s.kind in ('pretrain', 'finetune')]

    plain, last = trainings(), trainings(**{f'{hook}.type': 'X'})
    assert len(plain) == len(last) == 2
    for stage in plain:
        assert options_of(stage)[hook] == 'None'
        hooks = stage.ingredients['config']['default_hooks']
        assert 'checkpoint' in hooks and 'channels_last' not in hooks
    for stage in last:
        assert hook not in options_of(stage)
        assert options_of(stage)[f'{hook}.type'] == 'X'


def test_measured_seconds_make_the_estimate():
    config = 'agw_r18-narrow_synthetic.py'
    planner = make_planner(measured={('finetune', config): 77.0})
    cell = Cell('mini', 'agw', 'random', 0)
    assert planner.finetuning(cell).seconds == 77
    assert planner.evaluation(cell).seconds == 20


# ------------------------------------------------------------- real data sets
@pytest.mark.parametrize('target', TARGETS)
def test_full_scale_plans_from_split_files(target, tmp_path, protocol_root):
    """One to ten seconds each: hundreds of configs are merged."""
    options = make_options(
        tmp_path,
        scale='full',
        targets=[target],
        only=(),
        seeds=None,
        dry_run=True,
        data_root={
            'sysu': protocol_root / 'sysu_mm01',
            'regdb': protocol_root / 'regdb',
        },
    )
    code, text = start(options)
    assert code == 0, text
    assert '0 recorded' in text and 'About ' in text
    assert '296 identities' in text
    if target in ('table3', 'ablation-source-regdb', 'all'):
        assert '10 trials: 206 identities' in text
    for name in options.chosen(FIGURES):
        assert f'figures/{name}: draw' in text
    assert not options.work_dir.exists() and not options.document.exists()


def test_full_scale_needs_images_to_run(tmp_path):
    roots = write_splits(tmp_path)
    plan = dict(
        scale='full',
        targets=['ablation-source'],
        seeds=1,
        only=['mmgl-regdb'],
        data_root=roots,
    )
    options = make_options(tmp_path, **plan, dry_run=True)
    code, text = start(options)
    assert code == 0, text
    assert 'SYSU-MM01 in' in text and '8 identities' in text
    code, text = start(make_options(tmp_path, **plan))
    assert code == 2 and 'not complete' in text and 'verify_dataset' in text
    assert not options.work_dir.exists()


def test_missing_split_files_are_named(tmp_path):
    roots = write_splits(tmp_path)
    trials = range(1, 11)
    (line,) = describe_splits('regdb', roots['regdb'], trials)
    assert '10 trials: 6 identities (120 images) in train' in line
    (roots['regdb'] / 'idx/test_thermal_9.txt').unlink()
    assert describe_splits('regdb', roots['regdb'], [1])
    with pytest.raises(FileNotFoundError, match='test_thermal_9.*regdb=PATH'):
        describe_splits('regdb', roots['regdb'], trials)
    (roots['sysu'] / 'exp/val_id.txt').unlink()
    with pytest.raises(FileNotFoundError, match='val_id.*sysu=PATH'):
        describe_splits('sysu', roots['sysu'])
    with pytest.raises(FileNotFoundError, match='nowhere'):
        describe_splits('sysu', tmp_path / 'nowhere')


def test_planning_imports_no_runner():
    """Imports the package in a second Python, hence a few seconds."""
    code = (
        'import sys, mmgl.experiments.driver\n'
        'heavy = {"mmengine.runner", "mmpretrain", "matplotlib", "sklearn"}\n'
        'print(heavy & set(sys.modules))'
    )
    command = [sys.executable, '-W', 'ignore', '-c', code]
    loaded = subprocess.run(command, capture_output=True, text=True)
    assert loaded.stdout == 'set()\n', loaded
