# Adam for 120 epochs. Selection logits learn faster and without weight decay.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=3.5e-4, weight_decay=5e-4),
    # The search parameters, at 3e-3.
    paramwise_cfg=dict(
        custom_keys=dict(
            plugins=dict(lr_mult=3e-3 / 3.5e-4, decay_mult=0))))
# Epochs with all gates open, of search, then with hard gates. The learning
# rate is constant throughout the search: its warm-up ends before and its
# drops come after.
search_phases = dict(type='SearchPhaseHook', warmup_end=10, search_end=70)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        begin=0,
        end=10,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(type='MultiStepLR', milestones=[70, 100], gamma=0.1, by_epoch=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=120)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=64)
