"""What docs/own_data.md says of own images runs as it stands, but smaller."""

import json
import math
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import torch
from own_data import rows_of, write_folders, write_table
from test_use_page import blocks, commands

from mmgl.cli import COMMANDS
from mmgl.evaluation.documents import read_report

PAGE = Path(__file__).parents[1] / 'docs' / 'own_data.md'
MODEL = ['model.backbone.depth=18', 'model.backbone.base_channels=8']
SMALL = dict(
    train=[
        'train_cfg.max_epochs=1',
        'train_dataloader.num_workers=0',
        'train_dataloader.batch_size=8',
        'train_dataloader.dataset.pipeline.1.scale=[48,96]',
        'train_dataloader.dataset.pipeline.2.crop_size=[96,48]',
        'train_dataloader.dataset.pipeline.2.padding=4',
        *MODEL,
    ],
    test=[
        'test_dataloader.num_workers=0',
        'test_dataloader.dataset.pipeline.1.scale=[48,96]',
        *MODEL,
    ],
)
SAMPLERS = dict(
    pretrain=['batch_size=8', 'num_pairs_per_epoch=4'],
    finetune=['num_ids=2', 'num_instances=2', 'num_iters=1'],
)
EPOCHS = {'epoch_100.pth': 'epoch_1.pth', 'epoch_81.pth': 'epoch_1.pth'}


@pytest.fixture
def folder(tmp_path, monkeypatch, tiny_sysu):
    """200 images of 4 cameras in a table, and some of them in folders."""
    rows = rows_of(tiny_sysu)
    people = tmp_path / 'data' / 'people'
    people.parent.mkdir()
    people.symlink_to(tiny_sysu)
    write_table(tmp_path / 'people.csv', rows)
    shop = tmp_path / 'data' / 'shop'
    write_folders(shop, Path(tiny_sysu), rows_of(tiny_sysu, 8, most=2))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words):
    """Run a command as ``mmgl`` does."""
    module, _, function = COMMANDS[words[1]][0].partition(':')
    return getattr(import_module(module), function)(words[2:])


def smaller(words, source):
    """Take a command to small networks and images, and to other data."""
    text = shlex.join(words)
    for long, short in EPOCHS.items():
        text = text.replace(long, short)
    words = shlex.split(text)
    if words[1] in SMALL:
        stage = words[2].partition('/')[0]
        words += SMALL[words[1]]
        if words[1] == 'train':
            words += [f'train_dataloader.sampler.{x}' for x in SAMPLERS[stage]]
    return [source.get(word, word) for word in words if source.get(word, 1)]


TABLE, FOLDERS = (
    {'*.table=people.csv': '*.table={cwd}/people.csv'},
    {
        '*.table=people.csv': '',
        '*.data_root=data/people': '*.data_root=data/shop',
        '--table': '',
        'people.csv': '',
        'data/people': 'data/shop',
    },
)


@pytest.mark.parametrize(
    'source',
    [
        pytest.param(TABLE, id='table'),
        # The same commands; half a minute more.
        pytest.param(FOLDERS, id='folders', marks=pytest.mark.slow),
    ],
)
def test_everything_printed_runs(folder, source):
    pytest.importorskip('safetensors')
    source = {k: v.format(cwd=folder) for k, v in source.items()}
    if source['*.table=people.csv']:
        # Absolute: the drawn people lie in a folder that others read.
        source['people.csv'] = str(folder / 'people.csv')
    todo = [words for words in commands(PAGE.read_text()) if words]
    assert len(todo) == 9
    for words in todo:
        if words[1] == 'verify-dataset':
            continue
        run(smaller(words, source))
    figures, _ = read_report('metrics.json')
    assert len(figures) == 12
    assert all(math.isfinite(value) for value in figures.values())
    document = json.loads(Path('cross.json').read_text())
    assert {'infrared_to_visible', 'infrared_to_visible_single'} < set(
        document
    )
    check_leaks(source)
    left = next(Path('work_dirs/agw_r50_32-81e_own_mmgl').glob('*.py'))
    assert 'auto' not in left.read_text().split('num_classes')[1][:10]


def check_leaks(source):
    """The people that were trained on are not scored, whatever the list."""
    (words,) = (
        words for words in commands(PAGE.read_text()) if words[1] == 'test'
    )
    words = smaller(words, source)
    with pytest.raises(SystemExit):
        run([*words, 'test_dataloader.dataset.split=train'])
    seen = torch.load(words[3], weights_only=False)['meta']['seen']
    names = seen[-1]['pids']
    assert len(names) >= 2 and all(isinstance(name, str) for name in names)


def test_printed_checks_pass(folder):
    checks = [
        words
        for words in commands(PAGE.read_text())
        if words[1] == 'verify-dataset'
    ]
    source = {'people.csv': str(folder / 'people.csv')}
    assert [run(smaller(words, source)) for words in checks] == [0, 0]


def test_the_printed_table_is_one(tmp_path):
    from mmgl.datasets import ReIDTable

    (text,) = blocks(PAGE.read_text(), 'csv')
    (tmp_path / 'people.csv').write_text(text)
    data = ReIDTable(str(tmp_path), 'test', 'people.csv', lazy_init=True)
    assert data.labels().tolist() == [[1, 3, 1, 1], [1, 1, 0, 1]]
    assert data.metainfo['pids'] == ['bert']
