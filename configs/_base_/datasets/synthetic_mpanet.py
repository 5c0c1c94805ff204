# The embedded data set with the sampler and the augmentation of MPANet.
_base_ = './synthetic_finetune.py'

train_dataloader = dict(
    sampler=dict(type='BalancedIdentitySampler'),
    dataset=dict(pipeline=_base_.load_and_crop + _base_.erase_augment))
