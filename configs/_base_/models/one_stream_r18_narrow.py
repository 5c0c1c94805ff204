# Small enough for a laptop: ResNet-18 of half width.
backbone = dict(
    type='OneStreamResNet', depth=18, base_channels=32, last_stride=1)
