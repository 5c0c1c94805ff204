"""Measure what a training step costs, and what the bare backbone takes of it.

Whole steps of a method on a batch that lies ready, against the step of the
bare two-stream ResNet-50 (forward and backward pass, SGD) on the same images,
288 x 144, in the same precision and memory format; and the rate with the
loading of the images.
"""

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import torch
from images import write_images
from meters import (
    batches_in_flight,
    clock,
    count_waits,
    countdown,
    time_loaded,
    with_peak,
)
from mmengine.config import DictAction
from mmengine.logging import MMLogger
from peer_step import measure_peer
from step_cases import (
    FASTEST,
    METHODS,
    MODES,
    PAIRS,
    RATED,
    Mode,
    StepCase,
    planned,
)

from mmgl.structures import routing_modality
from mmgl.utils.benchmark import (
    Figure,
    alternate,
    markdown_table,
    report,
    usable_cores,
)
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.memory import keep_freed_memory

TARGET = 10.0  # percent of the bare step in bf16, channels last
GOAL_MINUTES = 40  # 100 epochs of SYSU-MM01 on one H200
PAPER = 'paper: 6 h on a 2080 Ti'
# Of 100 epochs: 423 batches of 96 images, SYSU-MM01's training identities.
STEPS, PROJECTED = 100 * 423, '100 epochs of SYSU-MM01'
WARM_UP = 5
# Seconds that the first mode may take; it is left out if fewer are left.
ENOUGH, ENOUGH_TO_COMPILE = 5, 35
COLUMNS = 'method|mode|images/s|ms a step|bare backbone, ms|step / bare'
COLUMNS = [*COLUMNS.split('|'), 'peak memory, GiB', f'{PROJECTED}, min']


def measure(
    options: argparse.Namespace,
    folder: Path,
    rows: list[list[str]],
    notes: list[str],
) -> Iterator[Figure | None]:
    """Measure the methods until the time is over; rows and notes grow."""

    def note(what: str, error: Exception) -> None:
        line = (str(error).splitlines() or [''])[0]
        notes.append(f'{what}: failed, {type(error).__name__}: {line}')
        print(notes[-1], flush=True)

    cv2.setNumThreads(0)  # workers are many enough, as in training
    left, longest = countdown(options.seconds), 0.0
    for name in RATED if options.loaded_steps else ():
        if name in options.only:
            try:
                yield from measure_end_to_end(name, options, folder)
            except Exception as error:
                note(f'{name} with loading', error)
    single = argparse.Namespace(**{**vars(options), 'workers': 0})
    for name, mode in planned(options.only, options.modes):
        least = ENOUGH_TO_COMPILE if mode.compiled else ENOUGH
        before = left()
        if before < max(least, longest):
            notes.append(f'{name}, {mode}: not reached in the time.')
            continue
        try:
            case = mode.build(name, str(folder / 'images'), folder, single)
            row, figures = measure_mode(case, mode, options)
        except Exception as error:  # the next mode may well work
            note(f'{name}, {mode}', error)
        else:
            rows.append(row)
            print(*row, flush=True)
            yield from figures or [None]
        case = None
        gc.collect()
        longest = max(longest, before - left())


def measure_mode(
    case: StepCase, mode: Mode, options: argparse.Namespace
) -> tuple[list[str], list[Figure]]:
    """Time steps and bare ones: a row, and figures of the fastest mode."""
    case.bare.cpu()  # no part of the method's memory
    device, name, figures = options.device, f'{case.name}, {mode}', []
    whole = partial(time_steps, case.whole_step, options)
    seconds, memory = with_peak(whole, device)
    fastest = mode == FASTEST
    waits = count_waits(case.whole_step, device) if fastest else None
    bare = time_bare(case, options, mode.channels_last)
    if waits is not None:
        figures.append(Figure(f'{name}: waits in a step', waits, 0, ''))
    if fastest:
        name = f'{name}: beyond the bare backbone'
        figures.append(Figure(name, 100 * (seconds / bare - 1), TARGET, '%'))
    row = [
        case.name,
        str(mode),
        f'{len(case.batch["data_samples"]) / seconds:.0f}',
        f'{1e3 * seconds:.1f}',
        f'{1e3 * bare:.1f}',
        f'{seconds / bare:.2f}',
        '-' if memory is None else f'{memory:.2f}',
        f'{STEPS * seconds / 60:.1f}' if case.name == 'mmgl' else '-',
    ]
    return row, figures


def time_bare(
    case: StepCase, options: argparse.Namespace, channels_last: bool
) -> float:
    """Return the median seconds of a step of the bare backbone."""
    case.bare.to(options.device)
    data = case.model.data_preprocessor(case.batch, True)
    modality = routing_modality(data['targets'])
    form = torch.channels_last if channels_last else torch.contiguous_format
    inputs = data['inputs'].contiguous(memory_format=form)

    def bare() -> None:
        case.bare_pass(inputs, modality)
        case.bare_optim.step()
        case.bare_optim.zero_grad()

    return time_steps(bare, options)


def time_steps(
    function: Callable[[], object], options: argparse.Namespace
) -> float:
    """Return the median seconds of a step."""
    for _ in range(WARM_UP):
        function()
    now = clock(options.device)
    return alternate(dict(step=function), options.steps, now)['step']


def measure_end_to_end(
    name: str, options: argparse.Namespace, folder: Path
) -> Iterator[Figure]:
    """Time steps with the loading of their images, and project a run."""
    flight = batches_in_flight(options.workers)
    warm_up, timed = WARM_UP + 2 * flight, options.loaded_steps
    steps = warm_up + timed + flight
    longer = argparse.Namespace(**{**vars(options), 'steps': steps})
    case = FASTEST.build(name, str(folder / 'images'), folder, longer)

    def use(batch: dict) -> None:
        case.batch = batch
        case.whole_step()

    now = clock(options.device)
    seconds = time_loaded(case.loader, use, warm_up, timed, now)
    rate = len(case.batch['data_samples']) / seconds
    note = f'{options.workers} workers, {timed} steps after {warm_up}'
    label = f'{name}, {FASTEST}: rate with loading'
    yield Figure(label, rate, None, 'images/s', True, note)
    if name == 'mmgl':
        label = f'{name}: {PROJECTED}, projected'
        minutes = STEPS * seconds / 60
        yield Figure(label, minutes, GOAL_MINUTES, 'min', note=PAPER)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add, names = parser.add_argument, list(METHODS)
    several = dict(nargs='+', metavar='NAME')
    add('--only', choices=names, default=names, **several)
    text = f'of {" and ".join(RATED)}; others are measured in {FASTEST.key}'
    several['help'] = f'{text}; of {", ".join(MODES)}'
    add('--modes', choices=list(MODES), default=list(MODES), **several)
    add('--device', default='cuda')
    add('--steps', type=int, default=20, help='timed in each mode')
    text = 'timed with the loading of their images; 0 leaves that out'
    add('--loaded-steps', type=int, default=400, help=text)
    workers = min(16, usable_cores())
    add('--workers', type=int, default=workers, help='of the loader')
    add('--backend', default='inductor', help='of torch.compile')
    add('--seconds', type=float, default=float('inf'), help='of all together')
    add('--batch-size', type=int, help="images, if not the config's")
    text = 'compare with the step of this checkout on a processor, alone'
    add('--peer-agw', metavar='PATH', help=text)
    add('--out', metavar='JSON', help='file for the figures')
    add('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    options = parser.parse_args(argv)
    if options.peer_agw and options.device != 'cpu':
        parser.error('--peer-agw runs on the processor; add --device cpu.')
    return options


def main(argv: Sequence[str] | None = None) -> dict[str, object]:
    """Measure, print and return the report."""
    options, rows, notes = parse_args(argv), [], []
    silence_upstream_warnings()
    if options.device == 'cpu':
        keep_freed_memory()  # as tools/train.py
    # Otherwise mmengine names every parameter.
    MMLogger.get_instance('benchmark', log_level='WARNING')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / 'images', PAIRS)
        figures = (
            measure_peer(options, folder)
            if options.peer_agw
            else measure(options, folder, rows, notes)
        )
        found = report(
            'Training step',
            figures,
            options.out,
            tables=[dict(columns=COLUMNS, rows=rows)],
            notes=notes,
            torch=torch.__version__,
        )
    if options.peer_agw:
        return found
    if not rows:
        sys.exit('step: no mode could be measured')
    print(f'\n{markdown_table([COLUMNS, *rows])}')
    return found


if __name__ == '__main__':
    main()
