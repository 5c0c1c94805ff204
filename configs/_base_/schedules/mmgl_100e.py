# Sec. IV-B: SGD, learning rate 0.1 with linear warm-up and cosine decay over
# 100 epochs. The length of the warm-up is not given; 10 epochs are those of
# DDAG, which the paper cites for it.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        begin=0,
        end=10,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        T_max=90,
        eta_min=0,
        begin=10,
        end=100,
        by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=1)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=96)
