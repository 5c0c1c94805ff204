"""A training step of the public AGW code beside ours, on the same images."""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from step_cases import MODES
from torch import Tensor, nn

from mmgl.models.protocols import Tensors
from mmgl.utils.benchmark import Figure, in_turn, seconds_of
from mmgl.utils.precision import fast_precision
from mmgl.utils.workers import process_pool

# Time of our step over that of the public one.
TARGETS = {
    'fp32': None,
    'fp32+channels-last': 0.85,
    'bf16+channels-last': 0.45,
}


def measure_peer(
    options: argparse.Namespace, folder: Path
) -> Iterator[Figure]:
    """Time the public step and ours in turn; bf16 where it is fast."""
    check_peer(options.peer_agw)
    images = str(folder / 'images')
    modes = [
        mode
        for mode in TARGETS
        if mode.startswith('fp32') or fast_precision() == 'bf16'
    ]
    cases = {
        mode: MODES[mode].build('agw', images, folder, options)
        for mode in modes
    }
    # Of processor time, which other programs change less.
    timers = {
        mode: partial(seconds_of, case.whole_step)
        for mode, case in cases.items()
    }
    ours = cases['fp32']
    data = ours.model.data_preprocessor(ours.batch, True)
    given = data['inputs'], data['targets']
    # In a process of its own, which has its memory for itself.
    with process_pool(1, 'spawn', prepare, options.peer_agw, *given) as pool:
        timers['public'] = lambda: pool.submit(time_public).result()
        seconds = in_turn(timers, options.steps)
    count = len(ours.batch['data_samples'])
    note = f'public step of {count} images: {seconds["public"]:.2f} s'
    for mode in modes:
        ratio = seconds[mode] / seconds['public']
        name = f'agw, {mode}: step / public step'
        yield Figure(name, ratio, TARGETS[mode], '', note=note)


def prepare(path: str, images: Tensor, targets: Tensors) -> None:
    """Make the step of a process that times the public one."""
    global _step
    _step = public_step(path, images, targets)


def time_public() -> float:
    """Take a step, and its time."""
    return seconds_of(_step)


def public_step(
    path: str, images: Tensor, targets: Tensors
) -> Callable[[], None]:
    """Make a step as train.py of the checkout does, on our batch."""
    network, losses = load_peer(path)
    infrared = targets['modality'].bool()
    visible, thermal = images[~infrared], images[infrared]
    pids = targets['pid']
    labels = torch.cat([pids[~infrared], pids[infrared]])
    net = network.embed_net(int(pids.max()) + 1).train()
    heads = [net.bottleneck, net.classifier]
    slow = {id(p) for head in heads for p in head.parameters()}
    base = [p for p in net.parameters() if id(p) not in slow]
    groups = [dict(params=base, lr=0.01)]
    groups += [dict(params=list(head.parameters()), lr=0.1) for head in heads]
    optimizer = torch.optim.SGD(
        groups, lr=0.1, weight_decay=5e-4, momentum=0.9, nesterov=True
    )
    identity, triplet = nn.CrossEntropyLoss(), losses.TripletLoss_WRT()

    def step() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', UserWarning)  # addmm_
            feature, logits = net(visible, thermal)
            loss = identity(logits, labels) + triplet(feature, labels)[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def check_peer(path: str) -> None:
    """End the program if there is no checkout."""
    if not Path(path, 'model.py').is_file():
        sys.exit(f'--peer-agw: {path} has no model.py of AGW')


def load_peer(path: str) -> tuple[ModuleType, ModuleType]:
    """Import network and losses of a checkout, with random weights."""
    sys.path.insert(0, path)
    try:
        network, losses = import_module('model'), import_module('loss')
    finally:
        sys.path.remove(path)
    build = network.resnet50
    # The checkout would download ImageNet's.
    network.resnet50 = lambda pretrained, **given: build(False, **given)
    return network, losses
