"""What a training step sends, counted at full size without sending it.

A model on torch's meta device, which has shapes and no numbers, takes a step
as one of several pretended processes. What it hands to torch.distributed is
noted; the buckets of DistributedDataParallel are those that its own rule
makes of the parameters.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest import mock

import torch
import torch.distributed as dist
from communication_links import TRAFFIC
from torch import nn
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.flop_counter import FlopCounterMode

from mmgl.models.functional import gather, transport
from mmgl.structures import HOST_MODALITY

MIB = 2**20
BUCKET = 25 * MIB  # the default of DistributedDataParallel
KINDS = (
    'gradients',
    'gathers',
    'gathers, backward',
    'shape checks',
    'other',
    'SyncBN',
)


@dataclass(frozen=True)
class Message:
    """One collective operation.

    Attributes:
        kind: One of :data:`KINDS`.
        op: One of :data:`TRAFFIC`.
        size: Bytes that a rank brings in, or gets of a reduce_scatter.
    """

    kind: str
    op: str
    size: int

    def sent(self, world: int) -> float:
        """Bytes that each of so many ranks sends in a ring."""
        return self.size * TRAFFIC[self.op](world)


@dataclass
class Counter:
    """Notes what goes through ``torch.distributed`` while it is active.

    Args:
        pretend: Send nothing.
    """

    pretend: bool = False
    messages: list[Message] = field(default_factory=list)
    kind: str | None = None

    @contextlib.contextmanager
    def active(self) -> Iterator['Counter']:
        """Put itself in the place of the functions that this package uses."""
        check = gather._check_equal_shapes
        places = {
            'all_reduce': ('all_reduce', 'other', 0),
            'all_gather_into_tensor': ('all_gather', 'gathers', 1),
            'reduce_scatter_tensor': (
                'reduce_scatter',
                'gathers, backward',
                0,
            ),
        }
        with contextlib.ExitStack() as stack:
            for name, place in places.items():
                stack.enter_context(
                    mock.patch.object(
                        dist, name, self._watch(getattr(dist, name), *place)
                    )
                )
            stack.enter_context(
                mock.patch.object(
                    gather,
                    '_check_equal_shapes',
                    self.labelled('shape checks', check),
                )
            )
            yield self

    def labelled(self, kind, function):
        """Give all messages of a function one kind.

        Args:
            kind (str): One of :data:`KINDS`.
            function (Callable): Any.

        Returns:
            Callable: Does the same.
        """

        def call(*args, **kwargs):
            self.kind = kind
            try:
                return function(*args, **kwargs)
            finally:
                self.kind = None

        return call

    def ddp_hook(
        self, state: object, bucket
    ) -> torch.futures.Future[torch.Tensor]:
        """Communication hook that averages a bucket as DDP does.

        Args:
            state: Not used.
            bucket: Gradients that are sent together.

        Returns:
            Their average.
        """
        average = bucket.buffer().div_(dist.get_world_size())
        self.labelled('gradients', dist.all_reduce)(average)
        future = torch.futures.Future()
        future.set_result(average)
        return future

    def _watch(self, function, op, kind, place):
        """Note a call; the tensor at ``place`` has the size."""

        def call(*args, **kwargs):
            size = args[place].numel() * args[place].element_size()
            self.messages.append(Message(self.kind or kind, op, size))
            return None if self.pretend else function(*args, **kwargs)

        return call


@contextlib.contextmanager
def pretended_ranks(world: int) -> Iterator[Counter]:
    """Be rank 0 of a group whose other members do not exist.

    Args:
        world: Number of processes.

    Yields:
        Counter of the messages, none of which goes anywhere.
    """
    dist.init_process_group(
        'fake', rank=0, world_size=world, store=FakeStore()
    )
    counter = Counter(pretend=True)
    try:
        with (
            counter.active(),
            mock.patch.object(gather, 'host_group', lambda: dist.group.WORLD),
        ):
            yield counter
    finally:
        dist.destroy_process_group()


def bucket_messages(
    model: nn.Module, find_unused: bool = False
) -> list[Message]:
    """What DistributedDataParallel sends for the gradients of a step.

    Args:
        model: The model.
        find_unused: Its ``find_unused_parameters``, which exchanges a number
            for each parameter.

    Returns:
        One message a bucket, in the order of the backward pass.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    ready = parameters[::-1]
    buckets, _ = dist._compute_bucket_assignment_by_size(
        ready, [dist._DEFAULT_FIRST_BUCKET_BYTES, BUCKET]
    )
    messages = [
        Message(
            'gradients',
            'all_reduce',
            sum(ready[n].numel() * ready[n].element_size() for n in one),
        )
        for one in buckets
    ]
    if find_unused:
        messages.append(Message('other', 'all_reduce', 4 * len(parameters)))
    return messages


def norm_messages(channels: int) -> list[Message]:
    """What torch's SyncBatchNorm sends in one pass, forward and backward.

    Args:
        channels: Channels of the layer.

    Returns:
        Mean, deviation and count of each rank; two sums of gradients.
    """
    return [
        Message('SyncBN', 'all_gather', 4 * (2 * channels + 1)),
        Message('SyncBN', 'all_reduce', 4 * 2 * channels),
    ]


def to_meta(data: dict) -> dict:
    """Move a prepared batch to the meta device.

    Args:
        data: As the data preprocessor gives it.

    Returns:
        The same without numbers; the host keeps what it has to know.
    """
    targets = {
        name: value if name == HOST_MODALITY else value.to('meta')
        for name, value in data['targets'].items()
    }
    return dict(data, inputs=data['inputs'].to('meta'), targets=targets)


@dataclass
class Pass:
    """Forward and backward pass of one of several ranks.

    Attributes:
        messages: What it sent, SyncBN included as if all batch norms were
            synchronised, gradients of the parameters not included.
        flops: Of products and convolutions.
    """

    messages: list[Message]
    flops: int


def pretended_pass(model: nn.Module, data: dict, world: int) -> Pass:
    """Run a pass on the meta device.

    Args:
        model: The model, on the meta device, in training mode.
        data: From :func:`to_meta`.
        world: Number of processes.

    Returns:
        What it sent and computed.
    """
    norms = []
    handles = [
        module.register_forward_hook(
            lambda module, *_: norms.extend(
                norm_messages(module.num_features) if module.training else ()
            )
        )
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    # Autocast, which losses switch off, does not know the meta device.
    without = mock.patch.object(
        torch, 'autocast', lambda *_, **__: contextlib.nullcontext()
    )
    # Ends by its numbers; sends nothing and has no products.
    unsolved = mock.patch.object(
        transport,
        'sinkhorn_plan',
        lambda cost, *_, **__: (cost.detach(), cost.detach().sum()),
    )
    try:
        with (
            without,
            unsolved,
            pretended_ranks(world) as counter,
            FlopCounterMode(display=False) as flops,
        ):
            losses = model(**data, mode='loss')
            sum(
                value for name, value in losses.items() if 'loss' in name
            ).backward()
    finally:
        for handle in handles:
            handle.remove()
        model.zero_grad()
    return Pass(counter.messages + norms, flops.get_total_flops())
