"""Run every benchmark and print its table.

Each one runs in a process of its own and writes its JSON to a folder; one
that is not there, or whose optional requirement is missing, is named and
left out.

Example:
    python tools/benchmarks/run_all.py --cpu --out work_dirs/benchmarks
"""

import argparse
import json
import sys
import time
from pathlib import Path

from mmgl.utils.benchmark import run_python

HERE = Path(__file__).parent
# Name of the script, and its options on a processor and on a GPU.
SCRIPTS = (
    ('evaluation.py', ('--repeats', '3'), ('--device', 'cuda')),
    ('data_loading.py', (), ()),
    ('step.py', ('--device', 'cpu'), ('--device', 'cuda')),
    ('communication.py', (), ()),
    ('retrieval.py', (), ()),
)


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
        description='Run every benchmark and print its table.')
    where = parser.add_mutually_exclusive_group()
    where.add_argument('--cpu', action='store_true',
                       help='on the processor, in under half an hour; the '
                       'default')
    where.add_argument('--gpu', action='store_true', help='on a GPU')
    parser.add_argument('--only', nargs='+', metavar='SCRIPT',
                        help='names without .py')
    parser.add_argument('--out', default='work_dirs/benchmarks',
                        metavar='FOLDER', help='for the JSON files')
    return parser.parse_args(argv)


def main(argv=None):
    """Run all; the exit status tells whether one of them failed."""
    options = parse_args(argv)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    start, ends = time.perf_counter(), []
    for name, cpu, gpu in SCRIPTS:
        script = HERE / name
        if options.only and script.stem not in options.only:
            continue
        out = folder / f'{script.stem}.json'
        out.unlink(missing_ok=True)
        end = run_script(script, list(gpu if options.gpu else cpu), out)
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
