"""Two and four processes on parts of a batch against one on the whole.

Takes some seconds: four interpreters have to import torch and the package.
"""

import pytest
import torch
import torch.multiprocessing as mp

from mmgl.registry import MODELS
from mmgl.structures import ReIDDataSample

BACKBONE = dict(
    type='TwoStreamResNet', depth=18, base_channels=4, norm_eval=True)
PRETRAIN = dict(
    type='MMGLPretrainer',
    backbone=BACKBONE,
    permutation_head=dict(
        type='PermutationHead',
        num_stripes=6,
        loss=dict(type='PermutationReconstructionLoss')),
    part_head=dict(
        type='PartHead',
        num_stripes=6,
        out_channels=16,
        contrast=dict(type='PartCycleContrastiveLoss')))
FINETUNE = dict(
    type='ReIDModel',
    backbone=BACKBONE,
    neck=dict(type='GlobalFeatureNeck', pool=dict(type='GeMPooling', p=3)),
    heads=dict(
        id=dict(type='ClassifierHead', num_classes=4),
        triplet=dict(
            type='MetricHead',
            feature='pool',
            loss=dict(type='WeightedRegularizedTripletLoss'))))
SIZES = (2, 4)
MODELS_UNDER_TEST = dict(pretrain=PRETRAIN, finetune=FINETUNE)


def global_batch():
    generator = torch.Generator().manual_seed(0)
    shape = (16, 3, 96, 48)
    images = torch.randint(
        0, 256, shape, generator=generator, dtype=torch.uint8)
    samples = []
    for i in range(16):
        order = torch.Generator().manual_seed(i // 2)
        samples.append(
            ReIDDataSample(
                metainfo=dict(img_path='', pair_key=i // 2),
                modality=i % 2,
                pid=i // 4,
                camid=1 + i % 2,
                index=1,
                permutation=torch.randperm(6, generator=order)))
    return images, samples


def gradients(config, rank, world_size):
    """Loss and gradient of one step on this rank's share of the batch."""
    torch.manual_seed(0)
    model = MODELS.build(config).train()
    if config is FINETUNE:
        # Plain batch norm is local to a rank and SyncBN needs a GPU.
        model.neck.eval()
    images, samples = global_batch()
    size = len(images) // world_size
    share = slice(rank * size, (rank + 1) * size)
    data = model.data_preprocessor(
        dict(inputs=images[share], data_samples=samples[share]), True)
    wrapped = model
    if world_size > 1:
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
    torch.manual_seed(1)
    losses = wrapped(**data, mode='loss')
    loss = sum(v for k, v in losses.items() if 'loss' in k)
    loss.backward()
    return loss.detach(), {
        k: p.grad
        for k, p in model.named_parameters() if p.grad is not None
    }


def worker(rank, folder):
    torch.set_num_threads(1)
    for size in SIZES:
        if rank >= size:
            continue
        torch.distributed.init_process_group(
            'gloo', init_method=f'file://{folder}/store_{size}', rank=rank,
            world_size=size)
        output = {}
        for name, config in MODELS_UNDER_TEST.items():
            loss, grads = gradients(config, rank, size)
            torch.distributed.all_reduce(loss)
            output[name] = loss / size, grads
        if rank == 0:
            torch.save(output, f'{folder}/results_{size}.pth')
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def several_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('gloo')
    mp.spawn(worker, args=(str(folder),), nprocs=max(SIZES))
    return {size: torch.load(folder / f'results_{size}.pth')
            for size in SIZES}


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('name', list(MODELS_UNDER_TEST))
def test_same_loss_and_gradient_as_one_process(name, size,
                                               several_processes):
    loss, grads = gradients(MODELS_UNDER_TEST[name], 0, 1)
    other_loss, other_grads = several_processes[size][name]
    assert other_loss.item() == pytest.approx(loss.item(), rel=1e-5)
    assert set(grads) == set(other_grads)
    for key, grad in grads.items():
        error = (grad - other_grads[key]).norm()
        assert error <= 1e-5 * max(1, grad.norm()), key
