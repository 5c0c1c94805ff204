"""What a run is made of: the names at the top of a config and their kinds.

Importing them costs nothing.
"""

from typing import Any, Literal, TypeAlias, TypedDict

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')

Part: TypeAlias = dict[str, Any] | None
Parts: TypeAlias = list[Any] | dict[str, Any] | None


class MultiProcessing(TypedDict, total=False):
    """How processes start."""

    mp_start_method: Literal['fork', 'spawn', 'forkserver']
    opencv_num_threads: int


class Environment(TypedDict, total=False):
    """Settings of the process; build_runner reads tf32, the Runner others."""

    cudnn_benchmark: bool
    dist_cfg: dict[str, Any]
    mp_cfg: MultiProcessing
    resource_limit: int
    tf32: Literal[True, False, None]


class Randomness(TypedDict, total=False):
    """What is random, and how much."""

    seed: int | None
    deterministic: bool
    diff_rank_seed: bool


class Scaling(TypedDict, total=False):
    """Scaling of the learning rate with the batch size."""

    enable: bool
    base_batch_size: int


class ByParameter(TypedDict, total=False):
    """Settings of single parameters, of DefaultOptimWrapperConstructor."""

    custom_keys: dict[str, dict[str, Any]]
    bias_lr_mult: float
    bias_decay_mult: float
    norm_decay_mult: float
    flat_decay_mult: float
    dwconv_decay_mult: float
    dcn_offset_lr_mult: float
    bypass_duplicate: bool


class Run(TypedDict, total=False):
    """Arguments of the Runner, and what it takes from the config itself."""

    model: Part
    work_dir: str | None
    train_dataloader: Part
    val_dataloader: Part
    test_dataloader: Part
    train_cfg: Part
    val_cfg: Part
    test_cfg: Part
    auto_scale_lr: Scaling | None
    optim_wrapper: Part
    param_scheduler: Parts
    val_evaluator: Parts
    test_evaluator: Parts
    default_hooks: Part
    custom_hooks: list[Any] | None
    data_preprocessor: Part
    load_from: str | None
    resume: bool
    launcher: Literal['none', 'pytorch', 'slurm', 'mpi']
    env_cfg: Environment | None
    log_processor: Part
    log_level: Literal['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']
    visualizer: Part
    default_scope: str
    randomness: Randomness | None
    experiment_name: str | None
    model_wrapper_cfg: Part
    find_unused_parameters: bool
    sync_bn: Literal['torch', 'mmcv'] | None
    compile: bool | dict[str, Any]
    activation_checkpointing: list[str] | None
    efficient_conv_bn_eval: list[str] | None
    runner_type: str


TOP_KEYS = frozenset(Run.__annotations__)
# Variables of config files that the tools that extract features read.
VARIABLES = frozenset({'test_pipeline'})
# Smallest value that means something, by name, wherever the name stands.
AT_LEAST = {
    **dict.fromkeys(
        """
        lr weight_decay momentum eps eta_min begin num_workers timeout seed
        lr_mult decay_mult bias_lr_mult bias_decay_mult norm_decay_mult
        flat_decay_mult prob erase_prob gray_prob val_begin
        """.split(),
        0,
    ),
    **dict.fromkeys(
        """
        batch_size base_batch_size prefetch_factor num_batch_per_epoch
        accumulative_counts max_epochs max_iters val_interval interval
        window_size T_max step_size num_classes num_ids num_instances
        num_iters num_pairs_per_epoch num_stripes resource_limit
        """.split(),
        1,
    ),
}
AT_MOST = {'prob': 1, 'erase_prob': 1, 'gray_prob': 1, 'seed': 2**32 - 1}
BELOW = {'momentum': 1}
# mmengine's hooks take it for never.
NEVER = {'interval': -1}
