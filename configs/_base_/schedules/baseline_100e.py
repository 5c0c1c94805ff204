# The recipe of baseline_81e.py for 100 epochs (CAJ); the same drops.
_base_ = './baseline_81e.py'

train_cfg = dict(max_epochs=100)
