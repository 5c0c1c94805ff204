"""Run a function on several forked processes that form a gloo group.

Forked, and not spawned, because importing torch and the package takes many
seconds.
"""

import multiprocessing as mp
import traceback
import uuid

import torch
import torch.distributed as dist


def _entry(function, rank, world, store, out, args):
    torch.set_num_threads(1)
    try:
        dist.init_process_group(
            'gloo', init_method=f'file://{store}', rank=rank, world_size=world
        )
        result = function(rank, *args)
        # A rank that leaves early would cut the others off.
        dist.barrier()
        dist.destroy_process_group()
    except Exception:
        result = traceback.format_exc()
    out.put((rank, result))


def run_ranks(tmp_path, function, *args, world=2):
    """Run ``function(rank, *args)`` on each rank and return what it gives.

    Results travel through a pipe: give lists and numbers, not tensors.
    """
    context = mp.get_context('fork')
    out = context.Queue()
    store = tmp_path / f'store_{uuid.uuid4().hex}'
    procs = [
        context.Process(
            target=_entry, args=(function, rank, world, store, out, args)
        )
        for rank in range(world)
    ]
    for proc in procs:
        proc.start()
    try:
        results = dict(out.get(timeout=300) for _ in procs)
    finally:
        for proc in procs:
            proc.join(timeout=10)
            proc.kill()
    for result in results.values():
        assert not isinstance(result, str), result
    return [results[rank] for rank in range(world)]
