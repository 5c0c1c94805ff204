# A tenth of the learning rate for the contrastive methods, chosen on the
# validation identities; see docs/rivals.md.
_base_ = './pretrain_synthetic_10e.py'

optim_wrapper = dict(optimizer=dict(lr=0.01))
