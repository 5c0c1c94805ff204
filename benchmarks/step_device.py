"""The training step on an accelerator: whole steps, in all precisions."""

import argparse
import gc

import cv2
import torch
from meters import (
    batches_in_flight,
    clock,
    count_waits,
    peak_memory,
    time_loaded,
)
from step_modes import FASTEST, RATED, modes_of

from mmgl.structures import routing_modality
from mmgl.utils.benchmark import Figure, alternate

TARGET = 10.0  # percent of the bare step in bf16, channels last
GOAL_MINUTES = 40  # 100 epochs of SYSU-MM01 on one H200
PUBLISHED_HOURS = 6  # of the paper, on an RTX 2080 Ti
EPOCHS = 100
STEPS_OF_EPOCH = 423  # of 96 images, the training identities of SYSU-MM01
WARM_UP = 5


def measure_on_device(options, root, folder):
    """Measure all methods; rates of all modes for some.

    Args:
        options (argparse.Namespace): Command line options of step.py.
        root (str): Images.
        folder (Path): Scratch folder.

    Returns:
        tuple[list[Figure], dict]: Figures, and milliseconds of a step by
        method and mode.
    """
    cv2.setNumThreads(0)  # workers are many enough, as in training
    single = argparse.Namespace(**{**vars(options), 'workers': 0})
    figures, details = [], {}
    for name in options.only:
        for mode in modes_of(name, options.modes):
            case = mode.build(name, root, folder, single)  # one batch
            lines, seconds = measure_mode(case, mode, options)
            figures += lines
            details[f'{name}, {mode}'] = 1e3 * seconds
            del case
            gc.collect()
        if name in RATED:
            figures += measure_end_to_end(name, root, folder, options)
    return figures, details


def measure_mode(case, mode, options):
    """Time whole steps in one mode.

    Args:
        case (StepCase): The method, built in this mode.
        mode (Mode): The mode.
        options (argparse.Namespace): Command line options.

    Returns:
        tuple[list[Figure], float]: Rate and memory; in the fastest mode
        also waits and the ratio to the bare step; and seconds of a step.
    """
    case.bare.cpu()  # no part of the method's memory
    found = []
    memory = peak_memory(
        lambda: found.append(time_steps(case.whole_step, options)),
        options.device,
    )
    if memory is None:
        found.append(time_steps(case.whole_step, options))
    seconds, where = found[0], f'{case.name}, {mode}'
    images = len(case.batch['data_samples'])
    figures = [
        Figure(
            f'{where}: rate',
            images / seconds,
            unit='images/s',
            at_least=True,
            note=f'{1e3 * seconds:.1f} ms a step',
        )
    ]
    if memory is not None:
        figures.append(Figure(f'{where}: peak memory', memory, unit='GiB'))
    if mode == FASTEST:
        waits = count_waits(case.whole_step, options.device)
        if waits is not None:
            figures.append(Figure(f'{where}: waits in a step', waits, 0, ''))
        ratio = seconds / time_bare(case, options)
        figures.append(
            Figure(
                f'{where}: beyond the bare backbone',
                100 * (ratio - 1),
                TARGET,
                unit='%',
            )
        )
    return figures, seconds


def time_bare(case, options, channels_last=True):
    """Time the step of the bare backbone.

    Args:
        case (StepCase): The method.
        options (argparse.Namespace): Command line options.
        channels_last (bool): Memory format of its images.

    Returns:
        float: Median of seconds.
    """
    case.bare.to(options.device)
    data = case.prepared()
    modality = routing_modality(data['targets'])
    inputs = data['inputs'].contiguous(
        memory_format=torch.channels_last
        if channels_last
        else torch.contiguous_format
    )

    def bare():
        case.bare_pass(inputs, modality)
        case.bare_optim.step()
        case.bare_optim.zero_grad()

    return time_steps(bare, options)


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
        dict(step=function), options.steps, clock(options.device)
    )['step']


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
    flight = batches_in_flight(options.workers)
    warm_up, timed = WARM_UP + 2 * flight, options.loaded_steps
    case = FASTEST.build(
        name,
        root,
        folder,
        argparse.Namespace(
            **{**vars(options), 'steps': warm_up + timed + flight}
        ),
    )

    def use(batch):
        case.batch = batch
        case.whole_step()

    seconds = time_loaded(
        case.loader, use, warm_up, timed, clock(options.device)
    )
    images = len(case.batch['data_samples'])
    figures = [
        Figure(
            f'{name}, {FASTEST}: rate with loading',
            images / seconds,
            unit='images/s',
            at_least=True,
            note=f'{options.workers} workers, {timed} steps after {warm_up}',
        )
    ]
    if name == 'mmgl':
        figures.append(
            Figure(
                f'{name}: {EPOCHS} epochs of SYSU-MM01, projected',
                EPOCHS * STEPS_OF_EPOCH * seconds / 60,
                GOAL_MINUTES,
                unit='min',
                note=f'paper: {PUBLISHED_HOURS} h on a 2080 Ti',
            )
        )
    return figures
