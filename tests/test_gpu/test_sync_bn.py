"""Two processes on one GPU by gloo: nccl takes one process for each GPU.

SyncBN exists on GPUs only; the rehearsal on a processor keeps the statistics
as they are, and compares the rest.
"""

import multiprocessing as mp
import traceback

import torch
import torch.distributed as dist
from torch import nn

from mmgl.models.backbones import TwoStreamResNet

WORLD, IMAGES = 2, 16


def step(rank, world, device, count=IMAGES):
    """Gradients of all ranks and running statistics, on the host.

    ``count`` of the images are those of the whole batch.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    model = TwoStreamResNet(depth=18, base_channels=8).train()
    if device == 'cpu':
        model.eval()
    elif world > 1:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    model.to(device)
    share = slice(rank * count // world, (rank + 1) * count // world)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(IMAGES, 3, 96, 48, generator=generator)
    modality = torch.arange(IMAGES) % 2
    maps = model(images[share].to(device), modality[share])
    weight = torch.randn(IMAGES, *maps.shape[1:], generator=generator)
    (maps * weight[share].to(device)).mean(dim=(1, 2, 3)).sum().backward()
    grads = {key: value.grad for key, value in model.named_parameters()}
    if world > 1:
        for value in grads.values():
            dist.all_reduce(value)
    statistics = {
        key: value
        for key, value in model.named_buffers()
        if key.endswith(('running_mean', 'running_var'))
    }
    return {
        key: value.detach().cpu()
        for key, value in (grads | statistics).items()
    }


def run_rank(rank, device, store, path, errors):
    torch.set_num_threads(1)
    try:
        dist.init_process_group(
            'gloo', init_method=f'file://{store}', rank=rank, world_size=WORLD
        )
        found = step(rank, WORLD, device)
        if rank == 0:
            torch.save(found, path)
        dist.barrier()
        dist.destroy_process_group()
        errors.put(None)
    except Exception:
        errors.put(traceback.format_exc())


def test_two_processes_share_statistics(device, tmp_path, full_fp32):
    # A process that has used a GPU must not be forked.
    context, path = mp.get_context('spawn'), tmp_path / 'step.pth'
    errors = context.Queue()
    ranks = [
        context.Process(
            target=run_rank, args=(n, device, tmp_path / 'store', path, errors)
        )
        for n in range(WORLD)
    ]
    for rank in ranks:
        rank.start()
    try:
        for error in [errors.get(timeout=120) for _ in ranks]:
            assert error is None, error
    finally:
        for rank in ranks:
            rank.join(timeout=10)
            rank.kill()
    two, one = torch.load(path), step(0, 1, device)
    assert set(two) == set(one)
    for key, value in one.items():
        assert value.isfinite().all(), key
        error = (two[key] - value).norm()
        assert error <= 5e-3 * (value.norm() + 1e-3), key
    if device == 'cuda':
        # Images of one rank have other statistics.
        half = step(0, 1, device, IMAGES // WORLD)
        assert any(
            (half[key] - value).norm() > 0.01 * value.norm()
            for key, value in one.items()
            if 'running' in key
        )
