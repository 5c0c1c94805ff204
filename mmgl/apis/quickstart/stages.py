"""The stages of a quickstart: what each runs and what it depends on."""

import hashlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from mmgl.datasets.synthetic import GENERATOR_VERSION

from .options import DATA_SEED, INITS, SCALES, QuickstartOptions

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_EVALUATORS = ('val_evaluator', 'test_evaluator')


@dataclass
class Stage:
    """One subprocess of the quickstart.

    Attributes:
        name: Unique name, also the folder below the work dir.
        title: What people read.
        kind: 'data', 'pretrain', 'finetune' or 'evaluate'.
        work_dir: Folder of its log, state and results.
        ingredients: Everything that its result depends on, as plain JSON.
        needs: Stages that must be done before.
        command: Builds the command line once these are done.
        outputs: Files that exist after it is done.
        seconds: Expected duration.
        config: Path of its config, or None.
        seed: Seed of the repetition, or None.
    """

    name: str
    title: str
    kind: str
    work_dir: Path
    ingredients: dict
    needs: list['Stage'] = field(default_factory=list)
    command: list = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)
    seconds: float = 1.0
    config: str | None = None
    seed: int | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of the ingredients and of those of the stages before."""
        text = json.dumps(
            [self.kind, self.ingredients,
             [need.fingerprint for need in self.needs]],
            sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def build_command(self) -> list[str]:
        """Resolve the command line; checkpoints are looked up only now.

        Returns:
            Arguments, starting with the Python interpreter.
        """
        return [
            str(part() if callable(part) else part) for part in self.command
        ]


def find_checkpoint(work_dir: Path) -> Path:
    """Find the checkpoint of the last epoch of a training.

    Args:
        work_dir: Work dir of the training.

    Returns:
        Its path.

    Raises:
        FileNotFoundError: If the training left none.
    """
    pointer = work_dir / 'last_checkpoint'
    if pointer.is_file():
        # Only the name counts, so that a work dir may be moved.
        path = work_dir / Path(pointer.read_text().strip()).name
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'No checkpoint in {work_dir} (looked for the file that '
        'last_checkpoint names); delete that folder and run again.')


def _load_config(path: Path, overrides: dict) -> Config:
    if not path.is_file():
        raise FileNotFoundError(f'Config {path} does not exist.')
    config = Config.fromfile(path, lazy_import=False)
    config.merge_from_dict(overrides)
    return config


def _find_key(node, key: str, prefix: str = '') -> list[str]:
    """List the dotted paths of a key in nested dicts and lists."""
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    else:
        return []
    found = []
    for name, value in items:
        path = f'{prefix}{name}'
        found += [path] if name == key else _find_key(value, key, path + '.')
    return found


def _placement(config: Config, options: QuickstartOptions) -> dict:
    """Overrides that say where and by how many, and change no result."""
    placed = {}
    for section in (*_LOADERS, *_EVALUATORS):
        for path in _find_key(config.get(section), 'data_root'):
            placed[f'{section}.{path}'] = options.data_root
    # Whoever watches needs the hook that writes the progress file.
    hooks = [config.get('default_hooks'), config.get('custom_hooks')]
    if 'ProgressHook' not in repr(hooks):
        placed['default_hooks.progress.type'] = 'ProgressHook'
    if options.workers is not None:
        for section in _LOADERS:
            if config.get(section):
                placed[f'{section}.num_workers'] = options.workers
                if options.workers == 0:
                    placed[f'{section}.persistent_workers'] = False
    return placed


def _cfg_options(overrides: dict) -> list[str]:
    if not overrides:
        return []
    return ['--cfg-options', *(f'{k}={v}' for k, v in overrides.items())]


def _dump_key(config: Config) -> str:
    if isinstance(config.get('test_evaluator'), list | tuple):
        return 'test_evaluator.0.dump'
    return 'test_evaluator.dump'


class _Planner:
    """Builds the stages of one quickstart; configs are read once."""

    def __init__(self, options: QuickstartOptions):
        self.options = options
        self.scale = SCALES[options.scale]
        self.paths = {
            'pretrain': Path(options.root, options.pretrain_config),
            'finetune': Path(options.root, options.finetune_config),
        }
        self.overrides = {
            'pretrain': self.scale.pretrain,
            'finetune': self.scale.finetune,
        }
        self.configs = {
            name: _load_config(path, self.overrides[name])
            for name, path in self.paths.items()
        }

    def data(self) -> Stage:
        options = self.options
        workers = options.workers
        if workers is None:
            workers = os.cpu_count() or 1
        return Stage(
            name='data',
            title='write the embedded data set',
            kind='data',
            work_dir=options.work_dir / 'data',
            ingredients={'preset': self.scale.preset, 'seed': DATA_SEED,
                         'generator': GENERATOR_VERSION},
            command=[
                sys.executable, '-m', 'mmgl.apis.quickstart.write_data',
                '--root', options.data_root, '--preset', self.scale.preset,
                '--seed', DATA_SEED, '--workers', max(workers, 1)
            ],
            outputs=[options.data_root / 'synthetic.json'],
            seconds=self.scale.seconds.get('data', 1))

    def _train(self, role: str, name: str, title: str, seed: int,
               needs: list[Stage], extra: list, ingredients: dict) -> Stage:
        config = self.configs[role]
        work_dir = self.options.work_dir / f'seed_{seed}' / name
        placed = {**self.overrides[role], **_placement(config, self.options)}
        return Stage(
            name=f'seed_{seed}/{name}',
            title=title,
            kind=role,
            work_dir=work_dir,
            ingredients={'config': config.to_dict(), 'seed': seed,
                         **ingredients},
            needs=needs,
            command=[
                sys.executable, self.options.root / 'tools/train.py',
                self.paths[role], '--work-dir', work_dir, '--seed', seed,
                '--resume', 'auto', *extra, *_cfg_options(placed)
            ],
            outputs=[work_dir / 'last_checkpoint'],
            seconds=self.scale.seconds.get(role, 1),
            config=str(self.paths[role]),
            seed=seed)

    def pretrain(self, seed: int, data: Stage) -> Stage:
        return self._train('pretrain', 'pretrain', 'pre-train MMGL', seed,
                           [data], [], {})

    def finetune(self, seed: int, init: str, data: Stage,
                 pretrain: Stage) -> Stage:
        needs, extra = [data], ['--init', init]
        if init == 'mmgl':
            needs.append(pretrain)
            extra += ['--init-checkpoint',
                      lambda: find_checkpoint(pretrain.work_dir)]
        return self._train('finetune', f'finetune_{init}',
                           f'fine-tune AGW from {INITS[init]}', seed, needs,
                           extra, {'init': init})

    def evaluate(self, seed: int, init: str, trained: Stage) -> Stage:
        config = self.configs['finetune']
        work_dir = self.options.work_dir / f'seed_{seed}' / f'evaluate_{init}'
        metrics, dump = work_dir / 'metrics.json', work_dir / 'features.npz'
        placed = {**self.overrides['finetune'],
                  **_placement(config, self.options), _dump_key(config): dump}
        return Stage(
            name=f'seed_{seed}/evaluate_{init}',
            title=f'evaluate AGW from {INITS[init]}',
            kind='evaluate',
            work_dir=work_dir,
            ingredients={'init': init},
            needs=[trained],
            command=[
                sys.executable, self.options.root / 'tools/test.py',
                self.paths['finetune'],
                lambda: find_checkpoint(trained.work_dir), '--work-dir',
                work_dir, '--out', metrics, *_cfg_options(placed)
            ],
            outputs=[metrics, dump],
            seconds=self.scale.seconds.get('evaluate', 1),
            config=str(self.paths['finetune']),
            seed=seed)

    def num_stripes(self) -> int:
        config = self.configs['pretrain']
        paths = _find_key(config.to_dict(), 'num_stripes')
        value = 6
        if paths:
            value = config.to_dict()
            for part in paths[0].split('.'):
                value = value[int(part) if isinstance(value, list) else part]
        return int(value)


def plan_stages(options: QuickstartOptions) -> tuple[list[Stage], int]:
    """Plan all stages in the order they run.

    Args:
        options: What to do.

    Returns:
        The stages, and the number of stripes of the pre-training.

    Raises:
        FileNotFoundError: If a config is missing.
    """
    planner = _Planner(options)
    data = planner.data()
    stages = [data]
    for seed in range(options.seeds):
        pretrain = planner.pretrain(seed, data)
        stages.append(pretrain)
        trained = {
            init: planner.finetune(seed, init, data, pretrain)
            for init in INITS
        }
        stages += trained.values()
        stages += [
            planner.evaluate(seed, init, stage)
            for init, stage in trained.items()
        ]
    return stages, planner.num_stripes()
