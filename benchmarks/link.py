"""Measure the links between processes, for communication.py.

All-reduce, all-gather and reduce-scatter of messages from the size of a label
to that of a bucket of gradients, nccl on GPUs, gloo on processors, and the
small gloo message by which hosts compare shapes. Start one process a GPU, on
one machine and, for the links between machines, on several. Times are those
of the slowest process.

Example:
    torchrun --nproc_per_node 8 benchmarks/link.py --device cuda \
        --out links_machine.json
    torchrun --nnodes 2 --nproc_per_node 8 --rdzv_backend c10d \
        --rdzv_endpoint HOST:29500 benchmarks/link.py --device cuda \
        --out links_machines.json   # on each of the two
    python benchmarks/communication.py \
        --links links_machine.json links_machines.json
"""

import argparse
import os
import statistics
import sys
import time

import torch
import torch.distributed as dist
from communication_links import TRAFFIC

from mmgl.utils.benchmark import Figure, report

# Bytes that a rank brings in; the largest that is gathered is 14.7 MB, and
# gradients go in buckets of 25 MiB.
SIZES = (512, 2**12, 2**15, 2**18, 2**20, 2**22, 2**24, 25 * 2**20)
LARGEST_GATHER = 2**24
CHECK = 512  # bytes, of the shapes that hosts compare


def make_call(op, size, device, group=None):
    """Prepare one collective operation.

    Args:
        op (str): One of ``TRAFFIC``.
        size (int): Bytes that a rank brings in, or gets of a
            reduce_scatter.
        device (str): Of the tensors.
        group (ProcessGroup, optional): By default all processes.

    Returns:
        Callable: Runs it, or hands it to the device.
    """
    one = torch.zeros(size // 4, device=device)
    if op == 'all_reduce':
        return lambda: dist.all_reduce(one, group=group)
    world = dist.get_world_size(group)
    whole = torch.zeros(world * len(one), device=device)
    if op == 'all_gather':
        return lambda: dist.all_gather_into_tensor(whole, one, group=group)
    return lambda: dist.reduce_scatter_tensor(one, whole, group=group)


def time_call(call, device, repeats):
    """Time an operation on all processes.

    Args:
        call (Callable): From :func:`make_call`.
        device (str): Where it runs.
        repeats (int): How often it is timed, after two times that are not.

    Returns:
        float: Median of seconds, of the slowest process.
    """

    def wait():
        if device != 'cpu':
            torch.cuda.synchronize()

    seconds = []
    for _ in range(repeats + 2):
        wait()
        dist.barrier()
        wait()
        start = time.perf_counter()
        call()
        wait()
        seconds.append(time.perf_counter() - start)
    slowest = torch.tensor(
        [statistics.median(seconds[2:])], dtype=torch.float64, device=device
    )
    dist.all_reduce(slowest, dist.ReduceOp.MAX)
    return slowest.item()


def measure(device, sizes, repeats):
    """Measure all operations.

    Args:
        device (str): 'cpu' or 'cuda'.
        sizes (tuple[int]): Bytes.
        repeats (int): How often each is timed.

    Returns:
        tuple[list[dict], float]: ``op``, ``size`` and ``seconds`` of each
        message, and seconds of a comparison of shapes.
    """
    messages = []
    for op in TRAFFIC:
        for size in sizes:
            if op != 'all_reduce' and size > LARGEST_GATHER:
                continue
            call = make_call(op, size, device)
            messages.append(
                dict(
                    op=op, size=size, seconds=time_call(call, device, repeats)
                )
            )
    hosts = dist.new_group(backend='gloo')
    check = make_call('all_reduce', CHECK, 'cpu', hosts)
    return messages, time_call(check, device, repeats)


def figures_of(messages, check, ranks):
    """Lay the measurements out.

    Args:
        messages (list[dict]): From :func:`measure`.
        check (float): Likewise.
        ranks (int): Number of processes.

    Returns:
        list[Figure]: One line a message.
    """
    figures = []
    for one in messages:
        sent = one['size'] * TRAFFIC[one['op']](ranks)
        figures.append(
            Figure(
                f'{one["op"]}, {one["size"]} bytes',
                1e6 * one['seconds'],
                unit='us',
                note=f'{sent / one["seconds"] / 1e9:.3g} GB/s sent by '
                'each rank',
            )
        )
    return [
        *figures,
        Figure(f'hosts compare {CHECK} bytes', 1e6 * check, unit='us'),
    ]


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure the links between processes; start it by '
        'torchrun.'
    )
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--repeats', type=int, default=20)
    parser.add_argument(
        '--sizes',
        type=int,
        nargs='+',
        default=SIZES,
        metavar='BYTES',
        help='a rank brings in; multiples of 4',
    )
    parser.add_argument('--out', metavar='JSON', help='file for the figures')
    return parser.parse_args(argv)


def main(argv=None):
    """Measure; rank 0 prints and writes the figures."""
    options = parse_args(argv)
    ranks = int(os.environ.get('WORLD_SIZE', 1))
    if ranks < 2:
        sys.exit(
            'link: there is no link from one process; start two or more: '
            'torchrun --nproc_per_node 2 benchmarks/link.py'
        )
    each = int(os.environ['LOCAL_WORLD_SIZE'])
    if options.device == 'cuda':
        local = int(os.environ['LOCAL_RANK'])
        if local >= torch.cuda.device_count():
            sys.exit(
                f'link: {each} processes and '
                f'{torch.cuda.device_count()} GPUs; start one a GPU.'
            )
        torch.cuda.set_device(local)
    backend = 'nccl' if options.device == 'cuda' else 'gloo'
    dist.init_process_group(backend)
    messages, check = measure(options.device, options.sizes, options.repeats)
    found = None
    if dist.get_rank() == 0:
        found = report(
            f'Links, {ranks} processes on {ranks // each} machine(s), '
            f'{backend}',
            figures_of(messages, check, ranks),
            options.out,
            messages=messages,
            check_seconds=check,
            ranks=ranks,
            machines=ranks // each,
            backend=backend,
            torch=torch.__version__,
        )
    dist.barrier()
    dist.destroy_process_group()
    return found


if __name__ == '__main__':
    main()
