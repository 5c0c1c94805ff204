"""Stand-ins for the planner's tests: options, a runner, split files."""

import io
import json
from pathlib import Path

from mmgl.datasets.synthetic.presets import REGDB_PRESETS, SYSU_PRESETS
from mmgl.datasets.synthetic.splits import regdb_split_files, sysu_split_files
from mmgl.experiments import Options, run
from mmgl.experiments.launch import StageDiverged, StageError
from mmgl.experiments.progress import Display
from mmgl.experiments.tables import GROUPS, MEASURES

KEYS = [f'{group}/{measure}' for group in GROUPS for measure in MEASURES]


def make_options(tmp_path, **changes):
    return Options(
        **{
            'targets': ['table2'],
            'seeds': 2,
            'only': ['agw', 'one-stream'],
            'work_dir': tmp_path / 'work',
            'results': tmp_path / 'results',
            'document': tmp_path / 'results.md',
            'data_root': {'sysu': tmp_path / 'data'},
            'jobs': 1,
            'gpus': [],
            **changes,
        }
    )


class FakeRunner:
    """Makes the outputs of a stage; some trainings fail or diverge."""

    def __init__(self, fail=(), diverge=()):
        self.ran, self.envs, self.commands = [], [], {}
        self.fail, self.diverge = fail, diverge

    def __call__(self, stage):
        self.commands[stage.name] = stage.build_command()
        yield 0.5, 'half'
        self.ran.append(stage.name)
        self.envs.append(stage.env)
        if stage.name in self.fail:
            raise StageError('the log says no')
        if stage.name in self.diverge:
            raise StageDiverged('the log says nan', 'non-finite loss: loss')
        for path in stage.outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.name == 'metrics.json':
                value = 10.0 * stage.seed + (30 if 'mmgl' in stage.name else 5)
                path.write_text(
                    json.dumps(
                        {
                            'device': 'a card',
                            'metrics': dict.fromkeys(KEYS, value),
                        }
                    )
                )
            elif path.name == 'last_checkpoint':
                (stage.work_dir / 'epoch_1.pth').touch()
                path.write_text('epoch_1.pth')
            else:
                path.touch()


def start(options, runner=None):
    stream = io.StringIO()
    code = run(options, runner, Display(stream))
    return code, stream.getvalue()


def write_splits(folder: Path) -> dict[str, Path]:
    """Write the split files of tiny embedded data sets, without images."""
    sysu = sysu_split_files(SYSU_PRESETS['tiny'], 0)
    regdb = regdb_split_files(REGDB_PRESETS['tiny'], 0, lambda pid: 0.0)
    for name, files in (('sysu/exp', sysu), ('regdb/idx', regdb)):
        (folder / name).mkdir(parents=True)
        for file, content in files.items():
            (folder / name / file).write_bytes(content)
    return {'sysu': folder / 'sysu', 'regdb': folder / 'regdb'}
