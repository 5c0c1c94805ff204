# Table I with the first block (conv1 + bn1) specific to each modality.
backbone = dict(type='TwoStreamResNet', depth=50, last_stride=1)
