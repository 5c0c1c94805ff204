"""The table of training steps: each precision, memory format, compiled or not.

Whole steps of MMGL and AGW on a batch that lies ready, against the step of
the bare two-stream ResNet-50 (forward and backward pass, SGD) in the same
precision and memory format, never compiled.
"""

import gc
import sys
import tempfile
from argparse import Namespace
from ast import literal_eval
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import torch
from images import write_images
from meters import peak_memory
from step_cases import PAIRS, StepCase, quieten_log
from step_device import (
    EPOCHS,
    STEPS_OF_EPOCH,
    measure_end_to_end,
    time_bare,
    time_steps,
)
from step_modes import FASTEST, MODES, RATED, Mode

from mmgl.utils.compat import silence_upstream_warnings

from .findings import Findings
from .part_options import PartOptions, parse_part, part_parser
from .sizes import Sizes, config_options

COLUMNS = (
    'method',
    'mode',
    'images/s',
    'ms a step',
    'bare backbone, ms',
    'step / bare',
    'peak memory, GiB',
    f'{EPOCHS} epochs of SYSU-MM01, min',
)
# Seconds that the first mode may take; it is left out if fewer are left.
ENOUGH, ENOUGH_TO_COMPILE = 5, 35


def step_options(method: str, sizes: Sizes, workers: int = 0) -> Namespace:
    """Return the options that the step benchmark reads."""
    pairs = (one.split('=') for one in config_options(method, sizes))
    return Namespace(
        device=sizes.device,
        steps=sizes.steps,
        workers=workers,
        loaded_steps=sizes.loaded_steps,
        cfg_options={key: literal_eval(value) for key, value in pairs},
    )


@contextmanager
def cudnn_benchmark(wanted: bool) -> Iterator[None]:
    """Let cuDNN try its algorithms, or not."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = wanted
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def build(
    method: str, mode: Mode, root: str, folder: Path, sizes: Sizes
) -> StepCase:
    """Build a method in a mode, compiled by the backend of the sizes."""
    case = replace(mode, compiled=False).build(
        method, root, folder, step_options(method, sizes)
    )
    if mode.compiled:
        # After eight models of one class it would not compile any more.
        torch.compiler.reset()
        case.model.backbone.compile(backend=sizes.backend)
    return case


def measure(
    case: StepCase, mode: Mode, label: str, options: Namespace
) -> list[str]:
    """Time whole steps and those of the bare backbone.

    Args:
        case: The method, built in this mode.
        mode: The mode.
        label: What the page calls it.
        options: See :func:`step_options`.

    Returns:
        A row of the table.
    """
    case.bare.cpu()  # no part of the method's memory
    found = []

    def timed() -> None:
        found.append(time_steps(case.whole_step, options))

    memory = peak_memory(timed, options.device)
    if memory is None:
        timed()
    seconds = found[-1]
    bare = time_bare(case, options, mode.channels_last)
    images = len(case.batch['data_samples'])
    minutes = EPOCHS * STEPS_OF_EPOCH * seconds / 60
    return [
        case.name,
        label,
        f'{images / seconds:.0f}',
        f'{1e3 * seconds:.1f}',
        f'{1e3 * bare:.1f}',
        f'{seconds / bare:.2f}',
        '-' if memory is None else f'{memory:.2f}',
        f'{minutes:.1f}' if case.name == 'mmgl' else '-',
    ]


def planned(
    options: PartOptions, compiled: bool
) -> list[tuple[str, Mode, str, bool]]:
    """List what to measure, the most wanted first.

    Args:
        options: Command line options.
        compiled: Whether it is the table of compiled steps.

    Returns:
        Method, mode, what the page calls it, and whether cuDNN tries its
        algorithms.
    """
    keys = options.sizes.compiled if compiled else options.sizes.modes
    plan = [
        (method, MODES[key], str(MODES[key]), False)
        for key in keys
        for method in RATED
    ]
    if not compiled:
        plan += [
            (method, FASTEST, f'{FASTEST}, cuDNN benchmark', True)
            for method in RATED
        ]
    return plan


def fill_table(
    options: PartOptions, findings: Findings, root: str, compiled: bool
) -> None:
    """Measure mode by mode until the time is over.

    Args:
        options: Command line options.
        findings: Gets the rows.
        root: Images.
        compiled: See :func:`planned`.
    """
    enough = ENOUGH_TO_COMPILE if compiled else ENOUGH
    for method, mode, label, tries in planned(options, compiled):
        before = options.left()
        if before < enough:
            findings.note(f'{method}, {label}: not reached in the time.')
            continue
        try:
            with cudnn_benchmark(tries):
                case = build(
                    method, mode, root, options.scratch, options.sizes
                )
                row = measure(
                    case, mode, label, step_options(method, options.sizes)
                )
        except Exception as error:  # the next mode may well work
            text = (str(error).splitlines() or [''])[0]
            findings.note(
                f'{method}, {label}: failed, {type(error).__name__}: {text}'
            )
        else:
            findings.add_row(*row)
            print(*row, flush=True)
        case = None
        gc.collect()
        enough = max(enough, before - options.left())


def measure_loaded(
    options: PartOptions, findings: Findings, root: str
) -> None:
    """Time steps while workers load their images."""
    for method in RATED:
        try:
            findings.add(
                *measure_end_to_end(
                    method,
                    root,
                    options.scratch,
                    step_options(method, options.sizes, options.sizes.workers),
                )
            )
        except Exception as error:
            findings.note(
                f'{method} with loading: failed, '
                f'{type(error).__name__}: {error}'
            )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the findings."""
    parser = part_parser('Measure training steps on a device.')
    parser.add_argument(
        '--compiled',
        action='store_true',
        help='the steps through torch.compile, and no others',
    )
    options = parse_part(parser, argv)
    silence_upstream_warnings()
    quieten_log()
    cv2.setNumThreads(0)  # workers are many enough, as in training
    findings = Findings(options.out, COLUMNS)
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        root = Path(folder, 'images')
        write_images(root, PAIRS)
        if not options.compiled:
            measure_loaded(options, findings, str(root))
        fill_table(options, findings, str(root), options.compiled)
    if not findings.content['tables'][0]['rows']:
        sys.exit('steps: no mode could be measured')


if __name__ == '__main__':
    main()
