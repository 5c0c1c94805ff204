# RegDB at 256 x 128 pixels for MutualInfo: 8 identities x (4 + 4) images,
# flipped but not cropped, an epoch goes over the identities.
_base_ = ['./regdb.py', '../pipelines/256x128.py']

train_dataloader = dict(
    batch_size=64,
    sampler=dict(epoch='ids', num_ids=8, num_instances=4),
    dataset=dict(pipeline=_base_.load + _base_.finetune_augment))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
