# Loaders of P x K batches and of a test set; each data set fills in its own.
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    # P = 8 identities with K = 4 visible and K = 4 infrared images each.
    sampler=dict(type='IdentitySampler', num_ids=8, num_instances=4))
test_dataloader = dict(
    batch_size=128,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False))
test_cfg = dict()
