"""Configs: keys that nothing reads, values of the wrong kind, broken files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from .base import AGW
from .cases import Try, attack, pick

# Dotted key and value that would train on with the old values.
UNREAD = (
    'data_root=/nowhere',
    'num_classes=10',
    'batch_size=32',
    'lr=0.5',
    'max_epochs=1',
    'modle.x=1',
    'nonsense.key=3',
    'custom_kyes.a=1',
    'model.backbon.depth=18',
    'train_dataloader.dataset.piepline=[]',
    'train_cfg.max_epoch=3',
    'default_hooks.chekcpoint.interval=1',
    'optim_wrapper.optimiser.lr=1',
    'env_cfg.cudnn_benchmrk=True',
    'randomness.sed=3',
)
IMPOSSIBLE = (
    'optim_wrapper.optimizer.lr=-1',
    'optim_wrapper.optimizer.lr=abc',
    'optim_wrapper.optimizer.lr=nan',
    'optim_wrapper.optimizer.lr=inf',
    'optim_wrapper.optimizer.weight_decay=-1',
    'optim_wrapper.optimizer.momentum=1.5',
    'optim_wrapper.optimizer.type=Gone',
    'train_cfg.max_epochs=0',
    'train_cfg.max_epochs=-3',
    'train_cfg.max_epochs=1.5',
    'train_cfg.max_epochs=many',
    'train_dataloader.batch_size=0',
    'train_dataloader.batch_size=-16',
    'train_dataloader.batch_size=abc',
    'train_dataloader.num_workers=-1',
    'train_dataloader.num_workers=1000000000000',
    'train_dataloader.sampler.num_ids=0',
    'train_dataloader.sampler.num_instances=-2',
    'train_dataloader.sampler.type=Gone',
    'train_dataloader.dataset.type=Gone',
    'train_dataloader.dataset.split=7',
    'train_dataloader.dataset.data_root=/nowhere',
    'train_dataloader.dataset.indices=-1',
    'model.type=Gone',
    'model.backbone.depth=19',
    'model.backbone.depth=True',
    'model.backbone.base_channels=0',
    'model.backbone.base_channels=-8',
    'model.heads.id.num_classes=0',
    'model.heads.id.num_classes=3',
    'param_scheduler.0.begin=-5',
    'param_scheduler.0.type=Gone',
    'param_scheduler.1.milestones=["abc"]',
    'param_scheduler.1.gamma=nan',
    'default_hooks.logger.interval=0',
    'default_hooks.checkpoint.interval=abc',
    'default_hooks.checkpoint.type=Gone',
    'randomness.seed=abc',
    'randomness.seed=-1',
    'launcher=abc',
    'work_dir=/proc/nowhere',
    'log_level=LOUD',
)


def prepared(
    config: Path, folder: Path, *options: str
) -> Callable[[], object]:
    """Do all of a training that comes before its first step."""

    def run() -> object:
        from mmgl.apis.training import prepare_training
        from mmgl.config.options import training_parser
        from mmgl.utils.errors import report_errors

        given = ['--cfg-options', *options] if options else []
        work = '--work-dir', str(folder / 'work')
        parsed = training_parser().parse_args([str(config), *work, *given])
        with report_errors():
            prepare_training(parsed)
        return 'it would train'

    return run


def leaves(node: object, path: str = '') -> Iterator[tuple[str, object]]:
    """List the dotted keys of a config that have plain values."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves(value, f'{path}.{name}' if path else name)
    elif not isinstance(node, list | tuple):
        yield path, node


def _misspelt(key: str, rng: np.random.Generator) -> str:
    """Exchange, leave out or repeat a letter of the last word."""
    head, _, word = key.rpartition('.')
    place = int(rng.integers(len(word)))
    repeated = word[:place] + word[place] + word[place:]
    left_out = word[:place] + word[place + 1 :] + 'q'
    word = str(pick([repeated, left_out], rng))
    return f'{head}.{word}' if head else word


def _wrong(value: object, rng: np.random.Generator) -> str | None:
    """A value of another kind, None if there may be a right one."""
    if isinstance(value, bool):
        return str(pick(['7.5', '[1]'], rng))
    if isinstance(value, int | float):
        return str(pick(['abc', '[1,2]', 'nan', '{}'], rng))
    return None


SECTIONS = (
    *('model', 'train_dataloader', 'optim_wrapper', 'train_cfg'),
    *('default_hooks', 'env_cfg', 'randomness'),
)


@attack('setting', short=12, long=260, seconds=90)
def setting(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """One setting that has to be refused before anything is trained."""
    options = UNREAD + IMPOSSIBLE
    listed = options[number * 5 % len(options)] if number < 12 else None
    if 12 <= number < 12 + len(options):
        listed = options[number - 12]
    if listed:
        return Try(listed, prepared(base / AGW, folder, listed))
    from mmgl.config.loading import load_config

    cfg = load_config(base / AGW)
    found = [
        (key, value)
        for name in SECTIONS
        for key, value in leaves(cfg.get(name), name)
        if not key.endswith('type')
    ]
    key, value = pick(found, rng)
    bad = _wrong(value, rng)
    if bad is None or rng.random() < 0.5:
        new = f'{_misspelt(key, rng)}=1'
        what = 'misspelt'
    else:
        new, what = f'{key}={bad}', 'of another kind'
    where = key.split('.')[0]
    run = prepared(base / AGW, folder, new)
    return Try(f'{where}, {what}', _told(run, new))


def _told(run: Callable[[], object], new: str) -> Callable[[], object]:
    """Say which setting it was."""
    return lambda: f'{run()} with {new}'


YAML = '!!python/object/apply:os.system ["touch canary"]'
FILES: dict[str, bytes] = {
    'code.yaml': YAML.encode(),
    'empty.py': b'',
    'syntax.py': b'model = dict(',
    'binary.py': bytes(range(256)),
    'nulls.py': b'a = 1\x00',
    'latin.py': 'a = "\xe9"'.encode('latin-1'),
    'raises.py': b'1 / 0',
    'missing_base.py': b'_base_ = "gone.py"',
    'own_base.py': b'_base_ = "own_base.py"',
    'folder_base.py': b'_base_ = "."',
    'url_base.py': b'_base_ = "http://127.0.0.1:9/a.py"',
    'number_base.py': b'_base_ = 3',
    'endless_base.py': b'_base_ = ["endless_base.py"] * 3',
    'no_model.py': b'a = 1',
    'text_model.py': b'model = "a"\ntrain_dataloader = "b"',
    'list_model.py': b'model = []\ntrain_dataloader = []',
    'deep.py': b'a = ' + b'[' * 5000 + b']' * 5000,
    'code.yml': f'model: {YAML}'.encode(),
    'base.yaml': b'_base_: base.yaml',
    'bad.yaml': b'a: [',
    'bomb.yaml': b'a: &a [1,1]\n'
    + b''.join(
        f'{n}: &{n} [{", ".join([f"*{m}"] * 9)}]\n'.encode()
        for m, n in zip('abcdefgh', 'bcdefghi', strict=True)
    ),
    'bad.json': b'{"a": ',
    'list.json': b'[1]',
    'other.txt': b'a = 1',
    'other.ini': b'[a]',
    'image.png': b'\x89PNG',
}


@attack('config file', short=14, long=150, seconds=90)
def config_file(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """A file that is no config, or one that lost some of its text."""
    if number < len(FILES):
        name = list(FILES)[number]
        path = folder / name
        path.write_bytes(FILES[name])
        return Try(name, prepared(path, folder))
    # Lines of a real config lost; what is left may be one.
    path = folder / AGW
    lines = (base / AGW).read_text().splitlines()
    start = int(rng.integers(len(lines)))
    path.write_text('\n'.join(lines[:start]))
    return Try('cut short', prepared(path, folder), lambda _: True)
