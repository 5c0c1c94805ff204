"""Measure what a training step costs beyond its backbone.

The measure is the bare two-stream ResNet-50: forward pass, backward pass and
SGD on the images that the method sees, 288 x 144. What a method adds is
everything else of its step: normalisation, modules in the backbone, heads,
losses, their gradients, and the optimizer's work on more parameters. Loading
of images is measured by data_loading.py.

On a processor one full-size step takes half a minute, and the difference of
two would drown in noise. So the parts are measured apart: bare and own
backbone in turn on a few images, in time per image; everything behind the
backbone at the full batch, on feature maps of the right size; and the two
optimizers. On a GPU whole steps are timed, in all precisions.

Example:
    python benchmarks/step.py --out step.json
    python benchmarks/step.py --only agw --compile
    python benchmarks/step.py --device cuda --out step_gpu.json
    python benchmarks/step.py --device cuda --only mmgl \
        --modes bf16 bf16+channels-last+compiled
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch
from images import write_images
from mmengine.config import DictAction
from step_cases import (
    PAIRS,
    add_method_option,
    build_case,
    quieten_log,
    without_backbone,
)
from step_modes import add_mode_option

from mmgl.structures import routing_modality
from mmgl.utils.benchmark import Figure, alternate, report, usable_cores
from mmgl.utils.compat import silence_upstream_warnings

TARGET = 5.0  # percent of the bare step
WORKERS = 16


def user_clock():
    """Processor time of this process outside the system.

    The system hands out pages of memory on first use, up to a second in one
    pass and none in the next, whichever network it is.

    Returns:
        float: Seconds.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def measure_apart(case, images, repeats):
    """Measure the parts of a step, each as often as it needs.

    Args:
        case (StepCase): The method; its backbone is gone afterwards.
        images (int): Images of a pass through a backbone.
        repeats (int): How often each part is timed.

    Returns:
        dict[str, float]: Seconds of 'bare', 'backbone', 'behind', 'sgd' and
        'optimizer', of one full batch, and 'images' of that batch.
    """
    data = case.prepared()
    modality = routing_modality(data['targets'])
    count = len(modality)
    few = [
        torch.where(modality == number)[0][: images // 2] for number in (0, 1)
    ]
    few = torch.cat(few)
    inputs = data['inputs'][few], modality[few]
    passes = alternate(
        dict(
            bare=lambda: case.bare_pass(*inputs),
            backbone=lambda: case.backbone_pass(*inputs),
        ),
        repeats,
        user_clock,
    )
    share = count / len(few)
    steps = alternate(
        dict(sgd=case.bare_optim.step, optimizer=case.optim.step),
        repeats,
        user_clock,
    )
    without_backbone(case)
    behind = alternate(
        dict(behind=lambda: pass_behind(case)), repeats, user_clock
    )
    return {
        **{name: one * share for name, one in passes.items()},
        **steps,
        **behind,
        'images': count,
    }


def pass_behind(case):
    """Everything of a step but backbone and optimizer.

    Args:
        case (StepCase): A case without backbone.
    """
    losses = case.model(**case.prepared(), mode='loss')
    case.model.parse_losses(losses)[0].backward()


def figure_of(name, seconds):
    """Put the parts together.

    Args:
        name (str): Name of the method.
        seconds (dict[str, float]): See :func:`measure_apart`.

    Returns:
        Figure: Percent of the bare step.
    """
    bare = seconds['bare'] + seconds['sgd']
    parts = {
        'in the backbone': seconds['backbone'] - seconds['bare'],
        'behind it': seconds['behind'],
        'optimizer': seconds['optimizer'] - seconds['sgd'],
    }
    note = ', '.join(
        f'{key} {100 * value / bare:+.1f}' for key, value in parts.items()
    )
    return Figure(
        f'{name}, {seconds["images"]} images',
        100 * sum(parts.values()) / bare,
        TARGET,
        unit='%',
        note=f'{note}; bare step {bare:.1f} s',
    )


def can_compile():
    """Tell whether there is a C++ compiler, as torch.compile needs.

    Returns:
        bool: Whether there is; says so if not.
    """
    names = (os.environ.get('CXX'), 'g++', 'clang++')
    if any(shutil.which(name) for name in names if name):
        return True
    print(
        'compile: skipped; torch.compile needs a C++ compiler, such as g++ '
        'on the PATH or in CXX.'
    )
    return False


def measure_compiled(case, images, repeats):
    """Compare the bare backbone with itself compiled.

    Args:
        case (StepCase): Any case.
        images (int): Images of a pass.
        repeats (int): How often each is timed.

    Returns:
        list[Figure]: Time compiled over time as it is, and the seconds that
        compiling takes.
    """
    inputs = torch.rand(images, 3, 288, 144), torch.arange(images) % 2
    start = time.perf_counter()
    compiled = torch.compile(case.bare)

    def fast():
        compiled(*inputs).sum().backward()

    fast()
    seconds = time.perf_counter() - start
    times = alternate(
        dict(plain=lambda: case.bare_pass(*inputs), compiled=fast), repeats
    )
    return [
        Figure(
            'backbone compiled, time against uncompiled',
            times['compiled'] / times['plain'],
        ),
        Figure('compiling the backbone', seconds, unit='s'),
    ]


def measure_on_host(options, root, folder):
    """Measure all methods on the processor.

    Args:
        options (argparse.Namespace): Command line options.
        root (str): Images.
        folder (Path): Scratch folder.

    Returns:
        tuple[list[Figure], dict]: Figures, and seconds by method.
    """
    figures, seconds = [], {}
    for name in options.only:
        case = build_case(name, root, folder, options)
        seconds[name] = measure_apart(case, options.images, options.repeats)
        figures.append(figure_of(name, seconds[name]))
        print(f'{figures[-1].name}: {figures[-1].value:.1f} %', flush=True)
    if options.compile and can_compile():
        figures += measure_compiled(case, options.images, options.repeats)
    return figures, seconds


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure what a training step costs beyond its backbone.'
    )
    add_method_option(parser)
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--compile',
        action='store_true',
        help='measure torch.compile on the backbone as well; '
        'minutes on a processor',
    )
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument(
        '--images',
        type=int,
        default=8,
        help='of a pass through a backbone on a processor',
    )
    parser.add_argument('--steps', type=int, default=20, help='timed on a GPU')
    parser.add_argument(
        '--loaded-steps',
        type=int,
        default=400,
        help='timed on a GPU with the loading of their images',
    )
    parser.add_argument(
        '--workers',
        type=int,
        help='of the loader, for the end-to-end rate on a '
        f'GPU; by default one a core, up to {WORKERS}',
    )
    add_mode_option(parser)
    parser.add_argument('--out', metavar='JSON', help='file for the figures')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='of all configs',
    )
    options = parser.parse_args(argv)
    if options.workers is None:
        options.workers = (
            0 if options.device == 'cpu' else min(WORKERS, usable_cores())
        )
    return options


def main(argv=None):
    """Measure, print and return the report."""
    options = parse_args(argv)
    silence_upstream_warnings()
    quieten_log()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, 'images')
        write_images(root, PAIRS)
        if options.device == 'cpu':
            torch.set_num_threads(options.threads)
            figures, details = measure_on_host(
                options, str(root), Path(folder)
            )
        else:
            from step_device import measure_on_device

            figures, details = measure_on_device(
                options, str(root), Path(folder)
            )
    return report(
        'Training step',
        figures,
        options.out,
        seconds=details,
        torch=torch.__version__,
    )


if __name__ == '__main__':
    sys.exit(0 if main() else 1)
