"""MMGL pre-training in a loop of one's own, without a Runner.

    python examples/pretrain.py --epochs 2 --out backbone.pth

Draws people if there is no data set, pre-trains a small two-stream network on
them and writes its backbone, from which `mmgl train CONFIG --init mmgl
--init-checkpoint backbone.pth` fine-tunes. What the Runner adds: checkpoints
to resume from, validation, several GPUs, the end of a run that diverges.
"""

import argparse
from pathlib import Path

import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

import mmgl
from mmgl.checkpoints.export import export_backbone
from mmgl.datasets import SYSUMM01
from mmgl.datasets.samplers import CrossModalPairSampler
from mmgl.datasets.synthetic import write_sysu

CONFIG = 'pretrain/mmgl_two-stream_r18-narrow_synthetic'


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--data-root', type=Path, default='data/example')
    parser.add_argument('--epochs', type=int, default=2)
    parser.add_argument('--iterations', type=int, help='of an epoch, at most')
    parser.add_argument('--out', type=Path, default='backbone.pth')
    args = parser.parse_args()
    torch.manual_seed(0)
    if not args.data_root.exists():
        write_sysu(args.data_root, 'tiny')

    cfg = mmgl.get_config(CONFIG)
    pipeline = cfg.train_dataloader.dataset.pipeline
    dataset = SYSUMM01(str(args.data_root), 'train', pipeline=pipeline)
    sampler = CrossModalPairSampler(dataset, batch_size=32, seed=0)
    loader = DataLoader(
        dataset, batch_size=32, sampler=sampler, collate_fn=pseudo_collate
    )
    model = mmgl.build_model(cfg).train()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4
    )
    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        for step, batch in enumerate(loader):
            if step == args.iterations:
                break
            # Normalised images, and targets: modality, permutation, ...
            data = model.data_preprocessor(batch, training=True)
            losses = model(**data, mode='loss')
            total, log = model.parse_losses(losses)
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            names = 'loss', 'permutation/top1', 'part/consistency'
            values = '  '.join(f'{n} {log[n].item():.3f}' for n in names)
            print(f'epoch {epoch + 1}, step {step + 1}: {values}')
    print(export_backbone(model, args.out))


if __name__ == '__main__':
    main()
