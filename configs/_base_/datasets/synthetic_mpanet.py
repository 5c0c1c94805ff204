# The embedded data set with the sampler and the augmentation of MPANet.
_base_ = './synthetic_finetune.py'

train_dataloader = dict(
    sampler=dict(epoch='images', num_ids=8, num_instances=4, num_iters=27),
    dataset=dict(pipeline=_base_.load_and_crop + _base_.erase_augment))
