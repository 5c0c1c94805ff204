# Unlabelled pairs from tar shards, for more images than a disk holds.
_base_ = '../pipelines/288x144.py'

train_dataloader = dict(
    batch_size=96,
    num_workers=8,
    persistent_workers=True,
    # 48 visible and 48 infrared images, paired at random (Sec. IV-B). An
    # epoch, the time between two checkpoints, goes over the larger modality
    # once; set num_pairs_per_epoch for very large sets.
    sampler=dict(type='StreamSampler', batch_size=96),
    dataset=dict(
        type='StreamedPairs',
        # Folder or URL of visible.json, infrared.json and the shards.
        shards='data/shards',
        pipeline=[dict(type='LoadImageFromBytes')] +
        _base_.pretrain_pipeline[1:]))
