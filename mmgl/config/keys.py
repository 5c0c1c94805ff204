"""Keys that a config may have at its top.

Written out, so that who plans runs need not import the Runner for them;
a test compares them with its arguments.
"""

TOP_KEYS = frozenset(
    (
        'auto_scale_lr custom_hooks data_preprocessor default_hooks '
        'default_scope env_cfg experiment_name launcher load_from log_level '
        'log_processor model optim_wrapper param_scheduler randomness resume '
        'test_cfg test_dataloader test_evaluator train_cfg train_dataloader '
        'val_cfg val_dataloader val_evaluator visualizer work_dir '
        # No arguments of the Runner but read by it, or before it is built.
        'model_wrapper_cfg find_unused_parameters sync_bn compile '
        'activation_checkpointing efficient_conv_bn_eval runner_type'
    ).split()
)
