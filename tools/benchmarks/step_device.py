"""The training step on an accelerator: whole steps, in all precisions."""

import itertools
import warnings
from dataclasses import dataclass

import torch
from evaluation_device import clock
from step_cases import build_case

from mmgl.structures import routing_modality
from mmgl.utils.benchmark import Figure, alternate

TARGET = 10.0  # percent of the bare step in bf16, channels last
GOAL_MINUTES = 40  # 100 epochs of SYSU-MM01 on one H200
PUBLISHED_HOURS = 6  # of the paper, on an RTX 2080 Ti
EPOCHS = 100
STEPS_OF_EPOCH = 423  # of 96 images, the training identities of SYSU-MM01
WARM_UP = 5


@dataclass(frozen=True)
class Mode:
    """How the numbers are represented.

    Attributes:
        name: 'fp32', 'tf32' or 'bf16'.
        channels_last: Memory format of images and convolutions.
        compiled: Whether the backbone goes through ``torch.compile``.
    """

    name: str
    channels_last: bool = False
    compiled: bool = False

    def __str__(self) -> str:
        parts = [self.name]
        parts += ['channels last'] if self.channels_last else []
        parts += ['compiled'] if self.compiled else []
        return ', '.join(parts)

    def build(self, name, root, folder, options):
        """Build a method in this mode; see :func:`build_case`."""
        tf32 = self.name == 'tf32'
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        case = build_case(name, root, folder, options,
                          bf16=self.name == 'bf16')
        if self.channels_last:
            case.model.to(memory_format=torch.channels_last)
            case.bare.to(memory_format=torch.channels_last)
        if self.compiled:
            case.model.backbone.compile()
        return case


# bf16 in channels last comes first: the ratio to the bare step is its.
FASTEST = Mode('bf16', True)
MODES = (FASTEST, Mode('fp32'), Mode('tf32'), Mode('bf16'),
         Mode('tf32', True), Mode('bf16', True, True))


def measure_on_device(options, root, folder):
    """Measure all methods; rates of all modes for mmgl and agw.

    Args:
        options (argparse.Namespace): Command line options of step.py.
        root (str): Images.
        folder (Path): Scratch folder.

    Returns:
        tuple[list[Figure], dict]: Figures, and milliseconds of a step by
        method and mode.
    """
    figures, details = [], {}
    for name in options.only:
        modes = MODES if name in ('mmgl', 'agw') else MODES[:1]
        for mode in modes:
            case = mode.build(name, root, folder, options)
            lines, seconds = measure_mode(case, mode, options)
            figures += lines
            details[f'{name}, {mode}'] = 1e3 * seconds
        if name in ('mmgl', 'agw'):
            figures += measure_end_to_end(name, root, folder, options)
        if name == 'mmgl':
            figures.append(count_waits(case, options))
    return figures, details


def measure_mode(case, mode, options):
    """Time whole steps in one mode.

    Args:
        case (StepCase): The method, built in this mode.
        mode (Mode): The mode.
        options (argparse.Namespace): Command line options.

    Returns:
        tuple[list[Figure], float]: Rate and memory, the ratio to the bare
        step for the fastest mode, and seconds of a step.
    """
    data = case.prepared()
    inputs, modality = data['inputs'], routing_modality(data['targets'])
    if mode.channels_last:
        inputs = inputs.contiguous(memory_format=torch.channels_last)

    def bare():
        case.bare_pass(inputs, modality)
        case.bare_optim.step()
        case.bare_optim.zero_grad()

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    seconds = time_steps(case.whole_step, options)
    where = f'{case.name}, {mode}'
    figures = [Figure(f'{where}: rate', len(modality) / seconds,
                      unit='images/s', at_least=True,
                      note=f'{1e3 * seconds:.1f} ms a step')]
    if torch.cuda.is_available():
        figures.append(Figure(f'{where}: peak memory',
                              torch.cuda.max_memory_allocated() / 2**30,
                              unit='GiB'))
    if mode == FASTEST:
        ratio = seconds / time_steps(bare, options)
        figures.append(Figure(f'{where}: beyond the bare backbone',
                              100 * (ratio - 1), TARGET, unit='%'))
    return figures, seconds


def time_steps(function, options):
    """Time a step.

    Args:
        function (Callable): The step.
        options (argparse.Namespace): ``steps`` and ``device``.

    Returns:
        float: Median of seconds.
    """
    for _ in range(WARM_UP):
        function()
    return alternate(
        dict(step=function), options.steps, clock(options.device))['step']


def measure_end_to_end(name, root, folder, options):
    """Time steps with the loading of their images.

    Args:
        name (str): The method.
        root (str): Images.
        folder (Path): Scratch folder.
        options (argparse.Namespace): Command line options.

    Returns:
        list[Figure]: The rate, and for pre-training the projected time of
        100 epochs of SYSU-MM01.
    """
    case = FASTEST.build(name, root, folder, options)
    now = clock(options.device)
    batches = itertools.chain.from_iterable(itertools.repeat(case.loader))
    for number in range(WARM_UP + options.steps):
        if number == WARM_UP:
            start = now()
        case.batch = next(batches)
        case.whole_step()
    seconds = (now() - start) / options.steps
    images = len(case.batch['data_samples'])
    figures = [Figure(f'{name}, {FASTEST}: rate with loading',
                      images / seconds, unit='images/s', at_least=True,
                      note=f'{options.workers} workers')]
    if name == 'mmgl':
        figures.append(Figure(
            f'{name}: {EPOCHS} epochs of SYSU-MM01, projected',
            EPOCHS * STEPS_OF_EPOCH * seconds / 60, GOAL_MINUTES,
            unit='min', note=f'paper: {PUBLISHED_HOURS} h on a 2080 Ti'))
    return figures


def count_waits(case, options):
    """Count how often a step makes the host wait for the GPU.

    Args:
        case (StepCase): The method.
        options (argparse.Namespace): Command line options.

    Returns:
        Figure: Times a step.
    """
    if not torch.cuda.is_available():
        return Figure(f'{case.name}: waits in a step', float('nan'))
    case.whole_step()
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            case.whole_step()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    waits = [one for one in caught if 'synchroniz' in str(one.message)]
    return Figure(f'{case.name}: waits in a step', len(waits), 0, unit='')
