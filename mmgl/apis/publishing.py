"""Make a bundle of a run: weights to deploy, their settings and a card."""

import filecmp
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgl.checkpoints.bundle import CARD, is_bundle, write_bundle
from mmgl.checkpoints.provenance import FIELDS, META_KEY, seen_by
from mmgl.checkpoints.resume import find_resumable
from mmgl.checkpoints.whole import HEADS
from mmgl.evaluation.documents import read_report
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.utils.files import write_text
from mmgl.utils.versions import package_versions
from mmgl.version import __version__

from .inference.weights import open_weights
from .parsers import publish_parser

_CARD = Path(__file__).with_name('model_card.md')


def find_checkpoint(run: str | Path) -> Path:
    """Return the checkpoint itself, or the newest of a work dir."""
    path = Path(run).expanduser()
    if not path.is_dir() or is_bundle(path):
        return path
    found = find_resumable(path)
    if found is None:
        raise ConfigError(
            f'work dir {path} has no last_checkpoint; name a checkpoint'
        )
    return found


def figures_of(metrics: str, checkpoint: Path) -> dict[str, float]:
    """Read figures to publish, in percent.

    Raises:
        ConfigError: If they are those of another checkpoint, as far as that
            is still there, or of persons that it has seen.
    """
    figures, settings = read_report(metrics)
    tested = Path(str(settings.get('checkpoint', '')))
    both = tested.is_file() and checkpoint.is_file()
    if both and not filecmp.cmp(tested, checkpoint, shallow=False):
        raise ConfigError(
            f'--metrics: the figures in {metrics} are those of {tested}, not '
            f'of {checkpoint}; test that one'
        )
    if settings.get('seen'):
        raise ConfigError(
            f'--metrics: the figures in {metrics} are of identities that the '
            'checkpoint has seen in training; test it on others'
        )
    return figures


def publish(
    run: str | Path,
    out: str | Path,
    data_licence: str,
    config: str | None = None,
    metrics: str | None = None,
    fp16: bool = False,
    with_heads: bool = False,
) -> dict[str, Any]:
    """Write a bundle and return its settings.

    Raises:
        ConfigError: If the run has no usable checkpoint, or ``out`` is a
            folder with something in it.
    """
    checkpoint = find_checkpoint(run)
    weights = open_weights(checkpoint, config)
    folder = Path(out)
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f'folder {folder} is not empty; choose a new one')
    if not data_licence.strip():
        raise ConfigError('--data-licence is empty; name the terms')
    model = weights.build()
    settings = dict(
        weights.info,
        model=weights.model,
        test_pipeline=weights.test_pipeline,
        data_licence=data_licence,
        metrics=figures_of(metrics, checkpoint) if metrics else {},
        versions=package_versions(),
    )
    if not with_heads:
        settings['model'] = dict(weights.model, heads=None)
    state: dict[str, Tensor] = {
        name: value.half() if fp16 and value.is_floating_point() else value
        for name, value in model.state_dict().items()
        if with_heads or not name.startswith(HEADS)
    }
    settings['sha256'] = write_bundle(folder, state, settings)
    write_text(folder / CARD, _card(folder.name, settings))
    return settings


def _card(name: str, settings: dict[str, Any]) -> str:
    """Fill in the model card."""
    entries = seen_by({META_KEY: settings.get('data_seen'), **settings})
    seen = '; '.join(
        ', '.join(f'{key} {entry[key]}' for key in FIELDS if key in entry)
        for entry in entries
    )
    table = ''.join(
        f'| {key} | {value:.2f} |\n'
        for key, value in settings['metrics'].items()
        if key.endswith(('/rank1', '/mAP'))
    )
    return _CARD.read_text(encoding='utf-8').format(
        name=name,
        version=__version__,
        data=seen or 'not recorded',
        licence=settings['data_licence'],
        sha256=settings['sha256'],
        metrics=table and f'\n| measured | % |\n| --- | --- |\n{table}',
    )


def run_publish(arguments: Sequence[str] | None = None) -> None:
    """Publish by command line arguments."""
    options = vars(publish_parser().parse_args(arguments))
    with report_errors():
        settings = publish(**options)
    print(
        f'wrote {options["out"]}: {settings["sha256"][:12]}, see its {CARD} '
        'and mind the terms of the training data'
    )
