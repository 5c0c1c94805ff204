"""What a run is made of: the names at the top of a config and their kinds.

Importing them costs nothing.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypedDict, get_args

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')

# Of a training; 'auto' is the fastest one that the machine has.
Precision: TypeAlias = Literal['auto', 'fp32', 'bf16', 'fp16']
PRECISIONS = get_args(Precision)

Part: TypeAlias = dict[str, Any] | None
Parts: TypeAlias = list[Any] | dict[str, Any] | None


class MultiProcessing(TypedDict, total=False):
    """How processes start."""

    mp_start_method: Literal['fork', 'spawn', 'forkserver']
    opencv_num_threads: int


class Distributed(TypedDict, total=False):
    """How processes find one another."""

    backend: str
    init_backend: str
    init_method: str
    timeout: float
    world_size: int
    rank: int
    group_name: str


class Environment(TypedDict, total=False):
    """Settings of the process; build_runner reads tf32, the Runner others."""

    cudnn_benchmark: bool
    dist_cfg: Distributed
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


class Loader(TypedDict, total=False):
    """Arguments of a DataLoader, and two that the Runner takes itself."""

    dataset: dict[str, Any]
    batch_size: int | None
    shuffle: bool | None
    sampler: Part
    batch_sampler: Part
    num_workers: int
    collate_fn: dict[str, Any] | Callable[..., Any] | None
    pin_memory: bool
    drop_last: bool
    timeout: float
    worker_init_fn: dict[str, Any] | Callable[..., Any] | None
    multiprocessing_context: str | None
    generator: Any
    prefetch_factor: int | None
    persistent_workers: bool
    pin_memory_device: str
    in_order: bool
    num_batch_per_epoch: int | None
    disable_subprocess_warning: bool


class ByParameter(TypedDict, total=False):
    """Settings of single parameters; the last is of mmpretrain's rates."""

    custom_keys: dict[str, dict[str, Any]]
    bias_lr_mult: float
    bias_decay_mult: float
    norm_decay_mult: float
    flat_decay_mult: float
    dwconv_decay_mult: float
    dcn_offset_lr_mult: float
    bypass_duplicate: bool
    layer_decay_rate: float


class Run(TypedDict, total=False):
    """Arguments of the Runner, and what it takes from the config itself."""

    model: Part
    work_dir: str | None
    train_dataloader: Loader | None
    val_dataloader: Loader | None
    test_dataloader: Loader | None
    train_cfg: Part
    val_cfg: Part
    test_cfg: Part
    auto_scale_lr: Scaling | None
    optim_wrapper: Part
    precision: Precision
    param_scheduler: Parts
    val_evaluator: Parts
    test_evaluator: Parts
    default_hooks: Part
    custom_hooks: list[Any] | None
    data_preprocessor: Part
    load_from: str | None
    resume: bool
    launcher: Literal['none', 'pytorch', 'slurm', 'mpi']
    env_cfg: Environment
    log_processor: Part
    log_level: Literal['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']
    visualizer: Part
    default_scope: str
    randomness: Randomness
    experiment_name: str | None
    model_wrapper_cfg: Part
    find_unused_parameters: bool
    sync_bn: Literal['torch', 'mmcv'] | None
    compile: bool | dict[str, Any]
    activation_checkpointing: list[str] | None
    efficient_conv_bn_eval: list[str] | None
    runner_type: str


TOP_KEYS = frozenset(Run.__annotations__)
# Hooks of the Runner; None takes one of them away.
HOOKS = frozenset(
    'runtime_info timer sampler_seed logger param_scheduler checkpoint'.split()
)
# Variables of config files that the tools that extract features read.
VARIABLES = frozenset({'test_pipeline'})
# Names of whole numbers that count something, wherever they stand.
COUNTS = frozenset(
    """
    batch_size base_batch_size prefetch_factor num_batch_per_epoch
    accumulative_counts max_epochs max_iters val_interval interval window_size
    T_max step_size num_classes num_ids num_instances num_iters
    num_pairs_per_epoch num_stripes resource_limit world_size
    """.split()
)
# Whole numbers that may be 0.
WHOLE = frozenset('num_workers begin milestones val_begin seed rank'.split())
# Smallest and largest value that mean something.
AT_LEAST = {
    **dict.fromkeys(
        """
        lr weight_decay momentum eps eta_min timeout max_norm clip_value
        lr_mult decay_mult bias_lr_mult bias_decay_mult norm_decay_mult
        flat_decay_mult prob erase_prob gray_prob
        """.split(),
        0,
    ),
    **dict.fromkeys(WHOLE, 0),
    **dict.fromkeys(COUNTS, 1),
}
# Those that may be lists of numbers, as that of mmcv's RandomFlip.
LISTS = {'milestones', 'prob'}
AT_MOST = {'prob': 1, 'erase_prob': 1, 'gray_prob': 1, 'seed': 2**32 - 1}
BELOW = {'momentum': 1}
# mmengine's hooks take it for never.
NEVER = {'interval': -1}
