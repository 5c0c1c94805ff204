"""Run every benchmark and print its table.

Each one runs in a process of its own and writes its JSON to a folder; one
that is not there, or whose optional requirement is missing, is named and
left out.

Example:
    python benchmarks/run_all.py --cpu --out work_dirs/benchmarks
    python benchmarks/run_all.py --cpu --only evaluation \
        --peer-agw ../Cross-Modal-Re-ID-baseline
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from mmgl.utils.benchmark import run_python, usable_cores

HERE = Path(__file__).parent
CORES = str(min(16, usable_cores()))
# Name of the script, and its options on a processor and on a GPU.
SCRIPTS = (
    ('evaluation.py', (), ('--device', 'cuda')),
    (
        'data_loading.py',
        ('--workers', CORES),
        ('--device', 'cuda', '--workers', CORES),
    ),
    (
        'step.py',
        ('--device', 'cpu', '--compile'),
        ('--device', 'cuda', '--workers', CORES),
    ),
    ('communication.py', (), ()),
    (
        'retrieval.py',
        ('--size', '1000000'),
        ('--size', '1000000', '--device', 'gpu'),
    ),
)
# Other evaluators, run from a checkout; on the processor only.
PEERS = ('agw', 'fastreid', 'torchreid')
PEERS_OF = 'evaluation.py'
# Of the scratch files of a million features and their indexes.
LARGE_BYTES = 6 * 2**30


def options_of(name, options):
    """Put together the options of one benchmark.

    Args:
        name (str): Of the script.
        options (argparse.Namespace): Command line options.

    Returns:
        list[str]: Its options.
    """
    chosen = list(
        next(
            gpu if options.gpu else cpu
            for script, cpu, gpu in SCRIPTS
            if script == name
        )
    )
    if '--size' in chosen and (
        shutil.disk_usage(tempfile.gettempdir()).free < LARGE_BYTES
    ):
        at = chosen.index('--size')
        print(
            f'\n{name}: {tempfile.gettempdir()} has less than '
            f'{LARGE_BYTES / 2**30:.0f} GiB left, so not with '
            f'{chosen[at + 1]} images; set TMPDIR to a larger disk.'
        )
        del chosen[at : at + 2]
    for peer in PEERS if name == PEERS_OF else ():
        path = getattr(options, f'peer_{peer}')
        if path is not None:
            chosen += [f'--peer-{peer}', path]
    return chosen


def run_script(script, options, out):
    """Run one benchmark; its table goes to standard output.

    Args:
        script (Path): The script.
        options (list[str]): Its options.
        out (Path): Its JSON.

    Returns:
        str: How it ended: 'done', 'skipped' or 'failed'.
    """
    if not script.is_file():
        print(f'\n{script.name}: skipped, there is no such script')
        return 'skipped'
    print(f'\n{script.name} {" ".join(options)}', flush=True)
    done = run_python(script, *options, '--out', str(out))
    if done.returncode:
        return 'failed'
    return 'done' if out.is_file() else 'skipped'


def missed_targets(out):
    """Read which figures missed their target.

    Args:
        out (Path): JSON of a benchmark, see ``mmgl.utils.benchmark``.

    Returns:
        list[str]: Their names.
    """
    content = json.loads(out.read_text())
    figures = content.get('figures', []) if isinstance(content, dict) else []
    return [one['name'] for one in figures if one.get('verdict') == 'missed']


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Run every benchmark and print its table.'
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        '--cpu',
        action='store_true',
        help='on the processor, in under half an hour; the default',
    )
    where.add_argument('--gpu', action='store_true', help='on a GPU')
    parser.add_argument(
        '--only', nargs='+', metavar='SCRIPT', help='names without .py'
    )
    parser.add_argument(
        '--out',
        default='work_dirs/benchmarks',
        metavar='FOLDER',
        help='for the JSON files',
    )
    for peer in PEERS:
        parser.add_argument(
            f'--peer-{peer}',
            metavar='PATH',
            help=f'a checkout, for {PEERS_OF} to compare with',
        )
    options = parser.parse_args(argv)
    given = [peer for peer in PEERS if getattr(options, f'peer_{peer}')]
    if options.gpu and given:
        parser.error(
            f'--peer-{given[0]}: other evaluators run on the '
            'processor; leave out --gpu.'
        )
    return options


def main(argv=None):
    """Run all; the exit status tells whether one of them failed."""
    options = parse_args(argv)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    start, ends = time.perf_counter(), []
    for name, _, _ in SCRIPTS:
        script = HERE / name
        if options.only and script.stem not in options.only:
            continue
        out = folder / f'{script.stem}.json'
        out.unlink(missing_ok=True)
        end = run_script(script, options_of(name, options), out)
        missed = missed_targets(out) if end == 'done' else []
        if missed:
            end += f', {len(missed)} missed: {"; ".join(missed)}'
        ends.append((script.stem, end))
    minutes = (time.perf_counter() - start) / 60
    print(f'\n## Summary, {minutes:.1f} minutes\n')
    for name, end in ends:
        print(f'- {name}: {end}')
    return int(any(end == 'failed' for _, end in ends))


if __name__ == '__main__':
    sys.exit(main())
