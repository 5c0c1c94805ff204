# RegDB as DEEN uses it: 384 x 144 pixels, 6 identities with 4 + 4 images. The
# leaf adds the training pipeline.
_base_ = ['./regdb.py', '../pipelines/384x144.py']

train_dataloader = dict(batch_size=48, sampler=dict(num_ids=6))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
