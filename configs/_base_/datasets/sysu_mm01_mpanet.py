# SYSU-MM01 as MPANet uses it: 384 x 128 pixels, 16 identities with 4 + 4
# images; an epoch goes over the infrared images once (182 iterations).
_base_ = ['./sysu_mm01.py', '../pipelines/384x128.py']

train_dataloader = dict(
    batch_size=128,
    sampler=dict(epoch='images', num_ids=16, num_instances=4),
    dataset=dict(pipeline=_base_.load_and_crop + _base_.erase_augment))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
