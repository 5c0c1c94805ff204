_base_ = './ddag_r50_64-81e_sysu.py'

# The fine-tuning code published with MMGL drops the learning rate of DDAG
# at 30 and 50, the code of DDAG itself at 20 and 50.
param_scheduler = _base_.param_scheduler
param_scheduler[1] = dict(param_scheduler[1], milestones=[30, 50])
