# RegDB as MPANet uses it: 256 x 128 pixels, 12 identities with 5 + 5 images;
# an epoch goes over the infrared images once (34 iterations).
_base_ = ['./regdb.py', '../pipelines/256x128.py']

train_dataloader = dict(
    batch_size=120,
    sampler=dict(epoch='images', num_ids=12, num_instances=5),
    dataset=dict(pipeline=_base_.load_and_crop + _base_.erase_augment))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
