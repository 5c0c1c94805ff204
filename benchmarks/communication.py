"""Count what a training step sends, and model it on up to 64 GPUs.

The bytes are those of the full-size configs (see communication_count.py). The
times are a model with stated inputs, not a measurement:

- every GPU keeps the batch of one; its step alone takes what ``--step``, a
  JSON of step.py, says, or ``--step-seconds``, or its operations at
  ``--tflop-s``;
- messages go round a ring at the rate of its slowest link: ``--intra-gb-s``
  within a machine, ``--link-gb-s`` as soon as there are several; each one
  takes ``--latency-us`` besides, a check of shapes ``--host-us`` a doubling
  of ranks; ``--links``, JSON of link.py, has measured values of all of these;
- gradients are sent during the backward pass, ``--backward-share`` of the
  step; what does not fit in, and always the last bucket, is waited for, as is
  every other message;
- losses over the batch of all ranks grow with it, by their floating point
  operations at ``1 / --loss-slowness`` of the speed of the rest.

Example:
    python benchmarks/communication.py
    python benchmarks/communication.py --only agw --step-seconds 0.05
    python benchmarks/communication.py --step step_gpu.json \
        --links links_machine.json links_machines.json \
        --gpus-per-node 8 --out communication.json
"""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from communication_count import KINDS, bucket_messages, pretended_pass, to_meta
from communication_links import Links, read_links
from communication_model import Count, model_step, read_steps, step_alone
from images import write_images
from step_cases import (
    METHODS,
    PAIRS,
    add_method_option,
    build_case,
    quieten_log,
)

from mmgl.config.loading import load_config
from mmgl.utils.benchmark import Figure, report
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.paths import config_dir

WORLDS = (1, 2, 4, 8, 16, 32, 64)
# Operations are a polynomial of this degree in the number of ranks.
DEGREE = 3


def count_step(name: str, data_root: str, folder: Path) -> Count:
    """Count the messages of a method at full size.

    Args:
        name: Name in ``METHODS``.
        data_root: Images in the layout of SYSU-MM01.
        folder: Scratch folder.

    Returns:
        The count.
    """
    case = build_case(
        name,
        data_root,
        folder,
        argparse.Namespace(steps=1, workers=0, device='cpu', cfg_options=None),
    )
    cfg = load_config(config_dir() / 'mmgl' / METHODS[name])
    buckets = bucket_messages(
        case.model, cfg.get('find_unused_parameters', False)
    )
    data = to_meta(case.prepared())
    model = case.model.to('meta')
    passes = [
        pretended_pass(model, data, world) for world in range(1, DEGREE + 2)
    ]
    return Count(
        len(data['inputs']),
        buckets + passes[1].messages,
        [one.flops for one in passes],
    )


def figures_of(
    name: str, count: Count, models: dict[int, dict[str, float]], source: str
) -> list[Figure]:
    """Lay a method out.

    Args:
        name: Of the method.
        count: What it sends.
        models: Its modelled step by number of GPUs.
        source: Where the step on one GPU comes from.

    Returns:
        One line for the bytes, one for the times.
    """
    parts = [
        f'{kind} {count.total(kind) / 1e6:.3g} MB in {count.number(kind)}'
        for kind in KINDS
        if count.number(kind)
    ]
    most = max(models)
    shares = ', '.join(
        f'{world}: {100 * one["efficiency"]:.1f}'
        for world, one in models.items()
        if world > 1
    )
    waits = ', '.join(
        f'{key} {1e3 * models[most][key]:.1f}'
        for key in ('gradients', 'gathers', 'checks', 'losses')
    )
    total = sum(one.size for one in count.messages if one.kind != 'SyncBN')
    return [
        Figure(
            f'{name}: a rank brings in',
            total / 1e6,
            unit='MB',
            note='; '.join(parts),
        ),
        Figure(
            f'{name}: model, efficiency on {most} GPUs',
            100 * models[most]['efficiency'],
            unit='%',
            note=f'{shares}; step alone {1e3 * models[1]["step"]:.0f} ms '
            f'({source}); ms added on {most}: {waits}',
        ),
    ]


def link_figures(links: dict[str, Links]) -> list[Figure]:
    """Lay measured links out.

    Args:
        links: By place.

    Returns:
        One line an operation.
    """
    return [
        Figure(
            f'links {place}: {op}',
            link.rate / 1e9,
            unit='GB/s',
            at_least=True,
            note=f'measured, {measured.ranks} ranks; '
            f'{1e6 * link.latency:.3g} us a message; the times measured '
            f'differ by up to {100 * link.error:.0f} %',
        )
        for place, measured in links.items()
        for op, link in measured.ops.items()
    ]


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Count what a step sends and model it on many GPUs.'
    )
    add_method_option(parser)
    for name, default, text in (
        ('tflop-s', 100.0, 'teraflops a second of a step on one GPU'),
        ('gpus-per-node', 8, 'GPUs of a machine'),
        ('intra-gb-s', 200.0, 'GB/s that a GPU sends within a machine'),
        ('link-gb-s', 25.0, 'GB/s that a machine sends to others'),
        ('latency-us', 30.0, 'microseconds of any message'),
        ('host-us', 50.0, 'microseconds of a message between two hosts'),
        ('backward-share', 0.6, 'part of a step that hides gradients'),
        (
            'loss-slowness',
            4.0,
            'time of an operation in the losses (fp32), in '
            'those of the rest (bf16)',
        ),
    ):
        parser.add_argument(
            f'--{name}',
            type=type(default),
            default=default,
            help=f'{text}, default {default}',
        )
    parser.add_argument(
        '--step-seconds', type=float, help='of a step on one GPU'
    )
    parser.add_argument(
        '--sync-bn', action='store_true', help='count SyncBN into the times'
    )
    parser.add_argument(
        '--step',
        metavar='JSON',
        help='of step.py on a GPU; its steps come first',
    )
    parser.add_argument(
        '--links',
        metavar='JSON',
        nargs='+',
        default=[],
        help='of link.py, on one machine and on several; '
        'what is measured comes first',
    )
    parser.add_argument(
        '--mode',
        default='bf16, channels last',
        help='of the steps in it, default %(default)r',
    )
    parser.add_argument('--out', metavar='JSON', help='file for the figures')
    return parser.parse_args(argv)


def main(argv=None):
    """Count, model, print and return the figures."""
    options = parse_args(argv)
    silence_upstream_warnings()
    quieten_log()
    measured = read_steps(options.step, options.mode)
    links = read_links(options.links)
    figures, details = link_figures(links), {}
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder, 'images'), PAIRS)
        for name in options.only:
            count = count_step(name, f'{folder}/images', Path(folder))
            step, source = step_alone(name, count, measured, options)
            models = {
                world: model_step(count, world, step, options, links)
                for world in WORLDS
            }
            figures += figures_of(name, count, models, source)
            details[name] = dict(
                images=count.images,
                flops=count.flops,
                messages=[asdict(one) for one in count.messages],
                step_seconds=step,
                source=source,
                model=models,
            )
    return report(
        'Communication of a step (times are a model)',
        figures,
        options.out,
        methods=details,
        assumptions=vars(options),
        links={place: asdict(one) for place, one in links.items()},
        torch=torch.__version__,
    )


if __name__ == '__main__':
    main()
