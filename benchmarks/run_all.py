"""Run every benchmark and print its table.

Each one runs in a process of its own and writes its JSON to a folder; one
whose optional requirement is missing is named and left out.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mmgl.utils.benchmark import run_python, usable_cores

HERE = Path(__file__).parent
WORKERS = ('--workers', str(min(16, usable_cores())))
MILLION = ('--size', '1000000')
# Name of the script, and its options on a processor and on a GPU, None where
# it takes too long.
SCRIPTS = {
    'evaluation.py': ((), ('--device', 'cuda')),
    'data_loading.py': (WORKERS, (*WORKERS, '--only', 'workers')),
    'step.py': (None, WORKERS),
    'embedded_step.py': ((), None),
    'embedding.py': ((), None),
    'serving.py': (('--requests', '1000'), None),
    'retrieval.py': (MILLION, (*MILLION, '--device', 'gpu')),
}
# What compares itself with a checkout of AGW, on a processor: its options.
WITH_PEER = {
    'evaluation.py': (),
    'step.py': ('--device', 'cpu', '--batch-size', '16'),
}
# Of the scratch files of a million features and their indexes.
LARGE_BYTES = 6 * 2**30


def options_of(name: str, options: argparse.Namespace) -> list[str] | None:
    """Put together the options of one benchmark, None to leave it out."""
    given = SCRIPTS[name][options.gpu]
    if options.peer_agw and name in WITH_PEER:
        given = (*WITH_PEER[name], '--peer-agw', options.peer_agw)
    if given is None:
        return None
    chosen = list(given)
    scratch = tempfile.gettempdir()
    if '--size' in chosen and shutil.disk_usage(scratch).free < LARGE_BYTES:
        print(
            f'\n{name}: {scratch} has less than {LARGE_BYTES / 2**30:.0f} GiB '
            'left, so not with a million images; set TMPDIR to a larger disk.'
        )
        del chosen[: len(MILLION)]
    return chosen


def run_script(script: Path, options: list[str], out: Path) -> str:
    """Run one benchmark; tell how it ended and what missed its target."""
    if not script.is_file():
        return 'skipped'
    print(f'\n{script.name} {" ".join(options)}', flush=True)
    out.unlink(missing_ok=True)
    done = run_python(script, *options, '--out', str(out))
    if done.returncode:
        return 'failed'
    if not out.is_file():
        return 'skipped'
    figures = json.loads(out.read_text())['figures']
    missed = [one['name'] for one in figures if one['verdict'] == 'missed']
    if not missed:
        return 'done'
    return f'done, {len(missed)} missed: {"; ".join(missed)}'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_mutually_exclusive_group().add_argument
    text = 'on the processor, in under half an hour; the default'
    add('--cpu', action='store_true', help=text)
    add('--gpu', action='store_true', help='on a GPU')
    add = parser.add_argument
    add('--only', nargs='+', metavar='SCRIPT', help='names without .py')
    add('--out', default='work_dirs/benchmarks', metavar='FOLDER')
    add('--peer-agw', metavar='PATH', help='checkout to compare with')
    options = parser.parse_args(argv)
    if options.gpu and options.peer_agw:
        parser.error('--peer-agw runs on the processor; leave out --gpu.')
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run all; the exit status tells whether one of them failed."""
    options = parse_args(argv)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    start, ends = time.perf_counter(), {}
    for name in SCRIPTS:
        script = HERE / name
        if options.only and script.stem not in options.only:
            continue
        chosen = options_of(name, options)
        if chosen is not None:
            out = folder / f'{script.stem}.json'
            ends[script.stem] = run_script(script, chosen, out)
    minutes = (time.perf_counter() - start) / 60
    print(f'\n## Summary, {minutes:.1f} minutes\n')
    for name, end in ends.items():
        print(f'- {name}: {end}')
    return int('failed' in ends.values())


if __name__ == '__main__':
    sys.exit(main())
