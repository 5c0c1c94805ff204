"""Command lines: options and values drawn from what a parser has."""

from argparse import ArgumentParser
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np

from .cases import Try, attack, pick
from .entrances import Refusal, tool

# Command -> module, function that makes its parser, and an input that is
# missing, so that no command line of it may succeed.
PARSERS = {
    'train': ('mmgl.config.options', 'training_parser', ['gone.py']),
    'test': ('mmgl.config.options', 'evaluation_parser', ['gone.py', 'g.pth']),
    'probe': ('mmgl.apis.probe', 'probe_parser', ['gone.py', 'gone.pth']),
    'eval-features': (
        'mmgl.apis.scoring',
        'scoring_parser',
        ['--protocol', 'regdb', '--features', 'gone.npz'],
    ),
    'convert': (
        'mmgl.apis.conversion',
        'conversion_parser',
        ['agw', 'gone.pth', 'out.pth'],
    ),
    'export-pruned': (
        'mmgl.apis.pruning',
        'pruning_parser',
        ['gone.py', 'gone.pth', 'out.pth'],
    ),
    'plot-curves': (
        'mmgl.apis.curves',
        'curves_parser',
        ['gone', '--out', 'a.png'],
    ),
    'cost': (
        'mmgl.apis.curves',
        'cost_parser',
        ['gone.json', '--out', 'a.png'],
    ),
    'tsne': (
        'mmgl.apis.pictures',
        'tsne_parser',
        ['gone.npz', '--out', 'a.png'],
    ),
    'ranking': (
        'mmgl.apis.pictures',
        'ranking_parser',
        ['gone.npz', '--out', 'a.png'],
    ),
    'publish': (
        'mmgl.apis.publishing',
        'publish_parser',
        ['gone', 'out', '--data-licence', 'free'],
    ),
    'export': ('mmgl.apis.exporting', 'export_parser', ['gone', 'out']),
    'embed': (
        'mmgl.apis.embedding',
        'embed_parser',
        ['gone.png', '--modality', 'visible', '--weights', 'gone.pth'],
    ),
    'compare': (
        'mmgl.apis.embedding',
        'compare_parser',
        ['a.png', 'b.png', '--modality', 'visible', 'infrared'],
    ),
    'search': (
        'mmgl.apis.searching',
        'search_parser',
        ['gone.db', 'a.png', '--modality', 'visible', '--weights', 'g.pth'],
    ),
    'gallery': ('mmgl.apis.searching', 'gallery_parser', ['list', 'gone.db']),
    'serve': (
        'mmgl.serving.command',
        'serve_parser',
        ['--weights', 'gone.pth', '--port', '1'],
    ),
    'verify-dataset': (
        'mmgl.apis.verification',
        'verification_parser',
        ['--root', 'gone', '--layout', 'sysu'],
    ),
}
VALUES = (
    *('abc', '-1', '0', '1e99', '', ' ', 'nan', 'inf', '1.5', '\u0661'),
    *(
        '9' * 40,
        'gone/a',
        '/proc/nowhere',
        '/dev/null',
        '.',
        '\udce9',
        '=',
        '{}',
    ),
    *("'; touch canary; '", '$(touch canary)', '__import__("os")', '%s%n'),
)


def _options(parser: ArgumentParser) -> list[str]:
    names = [one.option_strings for one in parser._actions]
    return [one[0] for one in names if one and '-h' not in one]


def _line(command: str, rng: np.random.Generator) -> list[str]:
    """Draw options and values behind the missing input."""
    module, function, missing = PARSERS[command]
    names = _options(getattr(import_module(module), function)())
    line = list(missing)
    for _ in range(int(rng.integers(0, 4))):
        name = str(pick(names or ['--gone'], rng))
        if rng.random() < 0.1:
            name += 'x'
        line.append(name)
        if rng.random() < 0.8:
            line.append(str(pick(VALUES, rng)))
    if rng.random() < 0.1:
        line.pop(int(rng.integers(len(line))))
    return line


@attack('command line', short=60, long=600, seconds=60)
def command_line(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Whatever is given, the input is missing: a sentence and exit code 2."""
    command = list(PARSERS)[number % len(PARSERS)]
    return Try(command, _given(command, _line(command, rng)))


# Scripts that write: only what has to be refused.
WRITERS: dict[str, list[list[str]]] = {
    'make-synthetic': [
        [],
        ['--root', 'data', '--preset', 'gone'],
        ['--root', 'data', '--preset', 'tiny', '--workers', '-1'],
        ['--root', 'data', '--preset', 'tiny', '--workers', 'abc'],
        ['--root', 'data', '--preset', 'tiny', '--seed', '-1'],
        ['--root', '/proc/nowhere', '--preset', 'tiny'],
        ['--root', '/dev/null', '--preset', 'tiny'],
    ],
    'pack-dataset': [
        [],
        ['--root', 'gone', '--layout', 'sysu', '--out', 'pack'],
        ['--data-root', 'gone', '--out', 'pack'],
        ['gone', 'pack'],
    ],
    'write-shards': [
        [],
        ['--root', 'gone', '--layout', 'sysu', '--out', 'shards'],
        ['--data-root', 'gone', '--out', 'shards'],
        ['gone', 'shards'],
    ],
    'quickstart': [
        ['--seeds', '0'],
        ['--seeds', '-1'],
        ['--seeds', 'abc'],
        ['--smoek'],
        ['--work-dir', '/proc/nowhere', '--smoke'],
    ],
    'reproduce': [
        [],
        ['table9'],
        ['table2', '--scale', 'gone'],
        ['table2', '--only', 'gone'],
        ['table2', '--scale', 'mini', '--jobs', '0'],
        ['table2', '--scale', 'mini', '--work-dir', '/proc/nowhere'],
    ],
    'nonsense': [[], ['--help'], ['\udce9']],
}
LINES = [(name, line) for name, lines in WRITERS.items() for line in lines]


@attack('command line of a writer', short=8, long=len(LINES), seconds=60)
def writer(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Scripts that would write a lot, if they took it."""
    command, line = LINES[number * 7 % len(LINES)]
    return Try(' '.join([command, *line]), _given(command, line))


def _given(command: str, line: list[str]) -> Callable[[], object]:
    def run() -> object:
        try:
            tool(command, *line)
        except SystemExit as stop:
            if command == 'verify-dataset' and stop.code == 1:
                raise Refusal('problems were found') from None
            if not stop.code:
                return f'took {line}'
            raise
        return f'took {line}'

    return run
