# LLCM at 288 x 144 pixels with the augmentation of the AGW family. (The AGW
# of the data set's authors also erases half of the images; see
# docs/datasets.md.)
_base_ = ['./llcm.py', '../pipelines/288x144.py']

train_dataloader = dict(dataset=dict(pipeline=_base_.finetune_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
