"""A metric loss of one's own in AGW, in place of its triplet loss.

    python examples/own_loss.py --steps 3

Centers of the two modalities of an identity are drawn together, and those of
different identities apart. In a config the head is the same, and
`custom_imports` names the module (docs/compose.md).
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import mmgl
from mmgl.registry import MODELS
from mmgl.structures import ReIDDataSample


@MODELS.register_module()
class CenterTripletLoss(nn.Module):
    """Triplet loss of unit centers, one an identity and modality."""

    def __init__(self, margin: float = 0.3) -> None:
        super().__init__()
        self.margin = margin

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor
    ) -> Tensor:
        """Take features (n, d), in any order."""
        persons = pids.unique()
        own = (persons[:, None] == pids).float()
        centers = [
            F.normalize((own * (modality == m)) @ features, dim=1)
            for m in (0, 1)
        ]
        distances = 1 - centers[0] @ centers[1].T
        same = distances.diagonal()
        others = distances + 2 * torch.eye(len(persons))
        return F.relu(same - others.amin(dim=1) + self.margin).mean()


def batch(persons: int = 4, images: int = 4) -> dict:
    """Make noise of some identities, half of it infrared."""
    count = persons * images
    samples = [
        ReIDDataSample(
            modality=n % 2, pid=n // images, camid=1 + 2 * (n % 2), index=n
        )
        for n in range(count)
    ]
    inputs = list(torch.randint(0, 256, (count, 3, 96, 48)).byte())
    return dict(inputs=inputs, data_samples=samples)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--steps', type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(0)
    cfg = mmgl.get_config('finetune/agw_r18-narrow_synthetic')
    cfg.model.heads.triplet.loss = dict(type='CenterTripletLoss', margin=0.3)
    model = mmgl.build_model(cfg).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for step in range(args.steps):
        data = model.data_preprocessor(batch(), training=True)
        total, log = model.parse_losses(model(**data, mode='loss'))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        print(f'step {step + 1}: triplet {log["triplet/loss"].item():.3f}')


if __name__ == '__main__':
    main()
