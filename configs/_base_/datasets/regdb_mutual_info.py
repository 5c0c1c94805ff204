# RegDB at 256 x 128 pixels for MutualInfo, flipped but not cropped, an epoch
# goes over the identities. 4 identities x (8 + 8) images, as the authors
# recommend for RegDB; the public default is 8 x (4 + 4).
_base_ = ['./regdb.py', '../pipelines/256x128.py']

train_dataloader = dict(
    batch_size=64,
    sampler=dict(epoch='ids', num_ids=4, num_instances=8),
    dataset=dict(pipeline=_base_.load + _base_.finetune_augment))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
