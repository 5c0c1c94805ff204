"""Head that names the permutation of shuffled tiles."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.registry import HEADS
from mmgl.structures import permutation_codes, permutation_set

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

    The concatenation is scaled by a constant. Its thousands of numbers from
    behind a ReLU have a large common part, and at a learning rate that suits
    the network, 0.1, the loss of that layer climbs to several times its
    value at chance before it falls. The scale, which works as a lower
    learning rate of the layer, keeps it from that.

    Args:
        in_channels (int): Channels C of a tile's feature.
        num_tiles (int): Number of tiles n.
        num_permutations (int): Size of the permutation set; that of
            ``JigsawTiles``.
        seed (int): Seed of the set; that of ``JigsawTiles``. Defaults to 0.
        hidden_channels (int): Size of a tile's projection. Defaults to
            1000.
    """

    def __init__(
        self,
        in_channels: int,
        num_tiles: int,
        num_permutations: int,
        seed: int = 0,
        hidden_channels: int = 1000,
    ) -> None:
        super().__init__()
        self.num_tiles = num_tiles
        codes = torch.from_numpy(
            permutation_codes(
                permutation_set(num_tiles, num_permutations, seed)
            )
        )
        codes, classes = codes.sort()
        # Settings, not weights: kept out of checkpoints.
        self.register_buffer('codes', codes, persistent=False)
        self.register_buffer('classes', classes, persistent=False)
        self.projection = nn.Sequential(
            nn.Linear(in_channels, hidden_channels, bias=False),
            nn.BatchNorm1d(hidden_channels),
            nn.ReLU(inplace=True),
        )
        nn.init.kaiming_normal_(self.projection[0].weight, nonlinearity='relu')
        size = num_tiles * hidden_channels
        self.scale = min(1.0, (_LENGTH / size) ** 0.5)
        self.fc = nn.Linear(size, num_permutations)
        # Small logits, so that training starts at chance, ln |P|.
        nn.init.normal_(self.fc.weight, std=0.1 / (self.scale * size**0.5))
        nn.init.zeros_(self.fc.bias)

    def forward(self, tiles: Tensor) -> Tensor:
        """Compute a score for each permutation of the set.

        Args:
            tiles (Tensor): Pooled features in shuffled order, (B, n, C).

        Returns:
            Tensor: Logits of shape (B, num_permutations).
        """
        hidden = self.projection(tiles.flatten(0, 1))
        return self.fc(self.scale * hidden.view(len(tiles), -1))

    def class_of(self, permutation: Tensor) -> Tensor:
        """Number of each permutation in the set.

        Args:
            permutation (Tensor): Orders of tiles, int64 of shape (B, n).

        Returns:
            Tensor: Row numbers of the set, shape (B, ).

        Raises:
            ValueError: If the set has no such permutation.
        """
        place = None
        if permutation.shape[-1] == self.num_tiles:
            wanted = permutation_codes(permutation)
            place = torch.searchsorted(self.codes, wanted)
            place = place.clamp(max=len(self.codes) - 1)
            if not torch.equal(self.codes[place], wanted):
                place = None
        if place is None:
            raise ValueError(
                f'JigsawHead: the {permutation.shape[-1]} tiles of the data '
                'are in an order that its permutation set has not; give '
                f'JigsawTiles and the head (num_tiles={self.num_tiles}, '
                f'num_permutations={len(self.codes)}) the same grid, '
                'num_permutations and seed.'
            )
        return self.classes[place]

    def loss(self, tiles: Tensor, permutation: Tensor) -> dict[str, Tensor]:
        """Compute the cross-entropy and the accuracy.

        Args:
            tiles (Tensor): Pooled features in shuffled order, (B, n, C).
            permutation (Tensor): Tile ``i`` shows cell ``permutation[i]``,
                shape (B, n).

        Returns:
            dict[str, Tensor]: ``loss_jigsaw``, ln |P| at chance, and
            ``jigsaw_top1``.
        """
        target = self.class_of(permutation)
        logits = self(tiles).float()
        right = (logits.detach().argmax(dim=1) == target).float().mean()
        return dict(
            loss_jigsaw=F.cross_entropy(logits, target), jigsaw_top1=right
        )
