"""Blocks of the ResNets, which networks and checkpoints are told by."""

# depth: (blocks of the four stages, channels out / channels inside a block)
RESNET_SHAPES = {
    18: ((2, 2, 2, 2), 1),
    34: ((3, 4, 6, 3), 1),
    50: ((3, 4, 6, 3), 4),
    101: ((3, 4, 23, 3), 4),
}
