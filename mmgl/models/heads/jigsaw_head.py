"""Head that names the permutation of shuffled tiles."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.registry import HEADS
from mmgl.structures import permutation_codes, permutation_set

from ..functional.monitors import accuracy
from ..protocols import Tensors

# Inputs of the last layer count as at most so many, see JigsawHead.
_LENGTH = 512


@HEADS.register_module()
class JigsawHead(nn.Module):
    """Classify the order of tiles that went through a network one by one.

    Noroozi and Favaro, "Unsupervised Learning of Visual Representations by
    Solving Jigsaw Puzzles" (ECCV 2016), as Goyal et al., "Scaling and
    Benchmarking Self-Supervised Visual Representation Learning" (ICCV 2019),
    put it on a ResNet: one layer with batch norm and ReLU, shared by all
    tiles, then one linear layer on their concatenation in shuffled order.

    The concatenation, whose thousands of numbers from behind a ReLU have a
    large common part, is scaled by a constant. It works as a lower learning
    rate of the last layer, whose loss otherwise climbs to several times its
    value at chance before it falls.

    Size and ``seed`` of the permutation set are those of ``JigsawTiles``;
    ``hidden_channels`` is the size of a tile's projection.
    """

    codes: Tensor
    classes: Tensor

    def __init__(
        self,
        in_channels: int,
        num_tiles: int,
        num_permutations: int,
        seed: int = 0,
        hidden_channels: int = 1000,
        feature: str = 'pool',
    ) -> None:
        super().__init__()
        self.num_tiles = num_tiles
        self.feature = feature
        members = permutation_set(num_tiles, num_permutations, seed)
        codes, classes = torch.from_numpy(permutation_codes(members)).sort()
        # Settings, not weights: kept out of checkpoints.
        self.register_buffer('codes', codes, persistent=False)
        self.register_buffer('classes', classes, persistent=False)
        linear = nn.Linear(in_channels, hidden_channels, bias=False)
        self.projection = nn.Sequential(
            linear, nn.BatchNorm1d(hidden_channels), nn.ReLU(inplace=True)
        )
        nn.init.kaiming_normal_(linear.weight, nonlinearity='relu')
        size = num_tiles * hidden_channels
        self.scale = min(1.0, (_LENGTH / size) ** 0.5)
        self.fc = nn.Linear(size, num_permutations)
        # Small logits, so that training starts at chance, ln |P|.
        nn.init.normal_(self.fc.weight, std=0.1 / (self.scale * size**0.5))
        nn.init.zeros_(self.fc.bias)

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits ``(B, num_permutations)`` of tiles ``(B, n, C)``."""
        hidden = self.projection(tiles.flatten(0, 1))
        logits: Tensor = self.fc(self.scale * hidden.view(len(tiles), -1))
        return logits

    def class_of(self, permutation: Tensor) -> Tensor:
        """Number ``(B,)`` in the set of each permutation ``(B, n)``."""
        if permutation.shape[-1] == self.num_tiles:
            wanted = permutation_codes(permutation)
            place = torch.searchsorted(self.codes, wanted)
            place = place.clamp(max=len(self.codes) - 1)
            if torch.equal(self.codes[place], wanted):
                return self.classes[place]
        raise ValueError(
            f'JigsawHead: the {permutation.shape[-1]} tiles of the data '
            'are in an order that its permutation set has not; give '
            f'JigsawTiles and the head (num_tiles={self.num_tiles}, '
            f'num_permutations={len(self.codes)}) the same grid, '
            'num_permutations and seed.'
        )

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Compute the cross-entropy, ln |P| at chance, and ``top1``.

        ``features``: rows of tiles ``(B * n, C)`` in any order; ``targets``:
        ``source`` and ``view`` ``(B * n,)`` and ``permutation``
        ``(B * n, n)``: tile ``i`` shows cell ``permutation[i]``.
        """
        tiles = _by_source(features[self.feature], targets)
        permutation = _by_source(targets['permutation'], targets)[:, 0]
        target = self.class_of(permutation)
        logits = self(tiles).float()
        loss = F.cross_entropy(logits, target)
        return dict(loss=loss, top1=accuracy(logits, target))


def _by_source(rows: Tensor, targets: Tensors) -> Tensor:
    """Rows ``(B * n, ...)`` by image and view: ``(B, n, ...)``."""
    if 'view' not in targets:
        raise ValueError(
            'the images are whole and not in tiles; add JigsawTiles to the '
            'pipeline, before PackReIDInputs.'
        )
    # Known on the host: as many as there are places in a permutation.
    views = targets['permutation'].shape[1]
    if len(rows) % views:
        raise ValueError(
            f'{len(rows)} tiles do not divide into puzzles of {views}.'
        )
    order = (targets['source'] * views + targets['view']).argsort()
    return rows[order].view(-1, views, *rows.shape[1:])
