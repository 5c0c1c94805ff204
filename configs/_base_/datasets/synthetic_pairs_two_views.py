# Half as many pairs for methods that pass two views of each image through the
# network, so that all pre-trainings cost about the same.
_base_ = './synthetic_pairs.py'

train_dataloader = dict(sampler=dict(num_pairs_per_epoch=528))
