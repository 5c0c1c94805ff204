"""``mmgl demo``: a small model of drawn people, with pictures to try it on.

What takes seconds to import is imported when it is needed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase

import cv2

from mmgl.protocols.modality import INFRARED, VISIBLE
from mmgl.utils.arguments import natural, output_folder
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.utils.files import replace_whole
from mmgl.utils.images import read_image
from mmgl.utils.progress import ImageProgress

from .methods import QUICK, Scale

PRETRAIN = 'pretrain/mmgl_two-stream_r18-narrow_synthetic'
FINETUNE = 'finetune/agw_r18-narrow_synthetic'
# A quarter of ResNet-18's width: fp16 weights of less than 2 MB.
WIDTH = 16
PERSONS = 8


def run_demo(arguments: Sequence[str] | None = None) -> None:
    """Make the demo by command line arguments."""
    parser = argparse.ArgumentParser(
        description='Draw people, train a small model on some of them, and '
        'leave it as a bundle with pictures of others. Started again, it '
        'goes on where it stopped.'
    )
    parser.add_argument('out', type=output_folder, help='folder to write')
    words = 'processes that load images'
    parser.add_argument('--workers', type=natural, default=1, help=words)
    options = parser.parse_args(arguments)
    with report_errors():
        make_demo(Path(options.out), workers=options.workers)
    print(
        f'wrote {options.out}/people-model, and pictures of {PERSONS} persons '
        'that it has not seen to day/ and night/ beside it; next:\n'
        f'  cd {options.out}\n'
        '  mmgl compare night.png day/a.png --modality infrared visible '
        '--weights people-model'
    )


def make_demo(out: Path, scale: Scale = QUICK, workers: int = 1) -> None:
    """Write data, train, publish and choose pictures; see the command."""
    from mmgl.apis.evaluation import run_evaluation
    from mmgl.apis.publishing import publish
    from mmgl.datasets.synthetic import write_sysu

    if (out / 'people-model').exists():
        raise ConfigError(f'{out}/people-model is there; choose a new folder')
    work = out / 'work'
    if out.is_dir() and any(out.iterdir()) and not work.is_dir():
        raise ConfigError(f'{out} holds other files; choose a new folder')
    data = str(work / 'data')
    write_sysu(data, str(scale.preset), progress=ImageProgress())
    shared = {
        '*.data_root': data,
        '*.base_channels': WIDTH,
        '*.num_workers': workers,
    }

    def options(kind: str) -> list[str]:
        settings = {**shared, **scale.changes.get(kind, {})}
        return [f'{name}={value}' for name, value in settings.items()]

    pretrained = _train([PRETRAIN], work / 'pretrain', options('pretrain'))
    start = '--init', 'mmgl', '--init-checkpoint', str(pretrained)
    trained = _train(
        [FINETUNE, *start], work / 'finetune', options('finetune')
    )
    metrics = str(work / 'metrics.json')
    words = FINETUNE, str(trained), '--out', metrics
    run_evaluation([*words, '--cfg-options', *options('finetune')])
    choose_pictures(data, out)
    publish(
        trained,
        out / 'people-model',
        'drawn people, free',
        metrics=metrics,
        fp16=True,
    )


def _train(words: list[str], folder: Path, options: list[str]) -> Path:
    """Train, or go on, and return the last checkpoint."""
    from mmgl.apis.training import run_training
    from mmgl.checkpoints.resume import find_resumable

    place = '--work-dir', str(folder), '--resume', 'auto'
    run_training([*words, *place, '--cfg-options', *options])
    found = find_resumable(folder)
    if found is None:
        raise ConfigError(f'the training left no checkpoint in {folder}')
    return found


def choose_pictures(data: str, out: Path) -> None:
    """Copy a picture by day and one by night of some unseen persons.

    Each person has a letter: ``day/a.png`` and ``night/a.png`` are one, and
    ``night.png`` is the first.
    """
    from mmgl.datasets import SYSUMM01

    images = SYSUMM01(data, 'test', lazy_init=False)
    found: dict[int, dict[int, str]] = {}
    for number in range(len(images)):
        info = images.get_data_info(number)
        one = found.setdefault(info['pid'], {})
        one.setdefault(info['modality'], info['img_path'])
    both = [one for one in found.values() if len(one) == 2][:PERSONS]
    for letter, one in zip(ascii_lowercase, both, strict=False):
        _copy(one[VISIBLE], out / 'day' / f'{letter}.png')
        _copy(one[INFRARED], out / 'night' / f'{letter}.png')
    _copy(both[0][INFRARED], out / 'night.png')


def _copy(source: str, target: Path) -> None:
    """Write an image as PNG."""
    encoded = cv2.imencode('.png', read_image(source))[1]
    with replace_whole(target) as partial:
        partial.write_bytes(encoded.tobytes())
