"""A training step of the public AGW code beside ours, on the same images."""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from meters import clock
from step_cases import MODES, StepCase
from torch import nn

from mmgl.utils.benchmark import Figure, alternate
from mmgl.utils.precision import fast_precision

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
    public = public_step(options.peer_agw, cases['fp32'], options.device)
    steps = {'public': public}
    steps |= {mode: case.whole_step for mode, case in cases.items()}
    now = clock(options.device)
    if options.device == 'cpu':
        now = time.process_time  # other programs change it less
    seconds = alternate(steps, options.steps, now)
    count = len(cases['fp32'].batch['data_samples'])
    note = f'public step of {count} images: {seconds["public"]:.2f} s'
    for mode in modes:
        ratio = seconds[mode] / seconds['public']
        name = f'agw, {mode}: step / public step'
        yield Figure(name, ratio, TARGETS[mode], '', note=note)


def public_step(path: str, ours: StepCase, device: str) -> Callable[[], None]:
    """Make a step as train.py of the checkout does, on our batch."""
    network, losses = load_peer(path)
    data = ours.model.data_preprocessor(ours.batch, True)
    targets = data['targets']
    infrared = targets['modality'].bool()
    visible, thermal = data['inputs'][~infrared], data['inputs'][infrared]
    pids = targets['pid']
    labels = torch.cat([pids[~infrared], pids[infrared]])
    net = network.embed_net(int(pids.max()) + 1).to(device).train()
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


def load_peer(path: str) -> tuple[ModuleType, ModuleType]:
    """Import network and losses of a checkout, with random weights."""
    if not Path(path, 'model.py').is_file():
        sys.exit(f'--peer-agw: {path} has no model.py of AGW')
    sys.path.insert(0, path)
    try:
        network, losses = import_module('model'), import_module('loss')
    finally:
        sys.path.remove(path)
    build = network.resnet50
    # The checkout would download ImageNet's.
    network.resnet50 = lambda pretrained, **given: build(False, **given)
    return network, losses
