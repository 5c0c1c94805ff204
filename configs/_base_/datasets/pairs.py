# Loader of unlabelled cross-modal pairs; each data set fills in its own.
train_dataloader = dict(
    batch_size=96,
    num_workers=4,
    persistent_workers=True,
    # 48 visible and 48 infrared images, paired at random (Sec. IV-B).
    sampler=dict(type='CrossModalPairSampler', batch_size=96))
