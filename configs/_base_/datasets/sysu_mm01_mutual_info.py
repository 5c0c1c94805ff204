# SYSU-MM01 at 256 x 128 pixels for MutualInfo: 16 identities x (4 + 4)
# images, flipped but not cropped, an epoch goes over the identities.
_base_ = ['./sysu_mm01.py', '../pipelines/256x128.py']

train_dataloader = dict(
    batch_size=128,
    sampler=dict(epoch='ids', num_ids=16, num_instances=4),
    dataset=dict(pipeline=_base_.load + _base_.finetune_augment))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
