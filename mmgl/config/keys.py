"""Names at the top of a config; importing them costs nothing."""

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# What the Runner reads: its arguments, and what it takes from cfg itself.
TOP_KEYS = frozenset(LOADERS) | frozenset(
    """
    model work_dir train_cfg val_cfg test_cfg auto_scale_lr optim_wrapper
    param_scheduler val_evaluator test_evaluator default_hooks custom_hooks
    data_preprocessor load_from resume launcher env_cfg log_processor
    log_level visualizer default_scope randomness experiment_name
    model_wrapper_cfg find_unused_parameters sync_bn compile
    activation_checkpointing efficient_conv_bn_eval runner_type
    """.split()
)
# Keys of env_cfg: tf32 is read by build_runner, the others by the Runner.
ENV_KEYS = frozenset(
    {'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit', 'tf32'}
)
