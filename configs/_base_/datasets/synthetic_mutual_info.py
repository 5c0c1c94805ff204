# The embedded data set for MutualInfo: 8 identities x (4 + 4) images,
# flipped but not cropped; an epoch goes over most of the 128
# identities once.
_base_ = './synthetic_finetune.py'

train_dataloader = dict(
    sampler=dict(epoch='ids', num_ids=8, num_instances=4, num_iters=14),
    dataset=dict(pipeline=_base_.load + _base_.finetune_augment))
