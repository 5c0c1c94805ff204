# Table I with all blocks shared by the modalities.
backbone = dict(type='OneStreamResNet', depth=50, last_stride=1)
