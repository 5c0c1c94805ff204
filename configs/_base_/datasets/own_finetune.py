# Own data at 288 x 144 pixels with the augmentation of the AGW family.
_base_ = ['./own.py', '../pipelines/288x144.py']

train_dataloader = dict(dataset=dict(pipeline=_base_.finetune_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
