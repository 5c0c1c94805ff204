# Permutation accuracy (Fig. 7) on identities the pre-training never saw; each
# data set fills in its own.
val_dataloader = dict(
    batch_size=128,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='PermutationAccuracy')
val_cfg = dict()
