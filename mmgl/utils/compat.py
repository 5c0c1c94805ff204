"""Every work-around for upstream packages, and nothing else.

Each names its version condition and the upstream thread, and has a test in
``tests/test_utils/test_compat.py`` that fails once it is not needed any more.
The one that has to be a class, bf16 autocast, is ``AutocastOptimWrapper`` in
``mmgl/engine/optim_wrappers.py``. Nothing heavy is imported before a call.
"""

import ast
import atexit
import contextlib
import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

# Exact messages that upstream prints on a healthy installation:
# (message pattern, category name or None for any).
UPSTREAM_WARNINGS = (
    # mmengine/utils/package_utils.py, with setuptools 80 and 81.
    (r'pkg_resources is deprecated as an API', None),
    # mmcv-lite has no compiled operators; none is used here.
    (r'Fail to import ``?MultiScaleDeformableAttention', 'UserWarning'),
    # https://github.com/open-mmlab/mmengine/pull/1675
    (
        r'`torch\.cuda\.amp\.GradScaler\(args\.\.\.\)` is deprecated',
        'FutureWarning',
    ),
    # torchvision and mmpretrain, with torch 2.9 and later.
    (r'`torch\.jit\.(script|interface)` is deprecated', 'DeprecationWarning'),
)


# ------------------------------------------------- 1. distributed on the CPU
_RANKS = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')
# What the launchers call them.
_RANKS_OF = {
    'pytorch': _RANKS,
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': tuple(
        f'OMPI_COMM_WORLD_{n}' for n in ('RANK', 'SIZE', 'LOCAL_RANK')
    ),
}


def _export_ranks(launcher: str) -> None:
    """Translate a launcher's variables to those of torch.distributed."""
    if launcher not in _RANKS_OF:
        raise ValueError(
            f'launcher must be one of none, {", ".join(_RANKS_OF)}; '
            f'got {launcher!r}'
        )
    given = _RANKS_OF[launcher]
    missing = [name for name in given if name not in os.environ]
    if missing:
        through = 'tools/dist_train.sh' if launcher == 'pytorch' else launcher
        raise ValueError(
            f'launcher={launcher!r} expects the environment variable(s) '
            f'{", ".join(missing)}; start the tool through {through}.'
        )
    for target, name in zip(_RANKS, given, strict=True):
        os.environ[target] = os.environ[name]
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        nodes = os.environ['SLURM_NODELIST']
        names = subprocess.check_output(
            ('scontrol', 'show', 'hostname', nodes)
        )
        os.environ['MASTER_ADDR'] = names.decode().split()[0]
    os.environ.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in os.environ:
        raise ValueError(
            f'launcher={launcher!r} expects MASTER_ADDR, the host name of '
            'the process of rank 0.'
        )


def launched_rank(launcher: str) -> int:
    """Return the rank that a launcher gave this process, 0 without one."""
    name, *_ = _RANKS_OF.get(launcher, ('',))
    return int(os.environ.get(name, 0))


def setup_cpu_distributed(cfg: MutableMapping[str, Any]) -> bool:
    """Let a distributed Runner work on a machine without CUDA.

    mmengine (0.10.7, its main branch and onedl alike) selects a CUDA device
    before it joins the group, and gives DistributedDataParallel device ids
    on the CPU too: ``_init_dist_pytorch`` in
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/dist/utils.py
    and ``Runner.wrap_model``. So the gloo group is joined here, which makes
    the Runner skip its own attempt, and the wrapper is told not to use
    device ids. SyncBN exists on GPU only and is left out with a warning.

    The config is changed in place; returns whether anything was done.
    """
    import torch

    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.cuda.is_available():
        return False
    if not torch.distributed.is_initialized():
        _export_ranks(launcher)
        torch.distributed.init_process_group('gloo')
    cfg['model_wrapper_cfg'] = {
        'type': 'MMDistributedDataParallel',
        'broadcast_buffers': False,
        'find_unused_parameters': cfg.get('find_unused_parameters', False),
        **(cfg.get('model_wrapper_cfg') or {}),
        'device_ids': None,
    }
    if cfg.get('sync_bn') is not None:
        warnings.warn(
            f'sync_bn={cfg["sync_bn"]!r} needs GPUs: the batch statistics of '
            'this CPU run stay local to each process.'
        )
        cfg['sync_bn'] = None
    return True


def leave_group() -> None:
    """Leave the process group, and let its threads end with the program.

    One of gloo that is still there when the interpreter goes may abort the
    process (https://github.com/pytorch/pytorch/pull/179291). Whatever holds
    the group keeps them, and a Runner with the wrapped model lives in a
    circle of references until it is collected.
    """
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        atexit.register(gc.collect)


# -------------------------------------------------- 2. mixed precision
_REPLACED = ('OptimWrapper', 'AmpOptimWrapper', 'AutocastOptimWrapper')
# Arguments that only one of the two wrappers has.
_OF_AMP = ('loss_scale', 'use_fsdp', 'dtype')
_OF_AUTOCAST = ('device_type',)


def select_wrapper(
    optim_wrapper: Mapping[str, Any], kind: str
) -> dict[str, Any]:
    """Turn an optimizer wrapper config into a new one of a precision.

    ``AmpOptimWrapper`` (mmengine 0.10.7, its main branch and onedl alike)
    refuses to work without an accelerator, see
    https://github.com/open-mmlab/mmpretrain/issues/1556. There, and for
    bfloat16, which needs no loss scale, our own takes its place. ``kind`` is
    'fp32', 'bf16' or 'fp16'. What cannot be is a ValueError.
    """
    import torch

    given = optim_wrapper.get('type', 'OptimWrapper')
    if given not in _REPLACED:
        raise ValueError(
            f'precision {kind} can replace optim_wrapper.type '
            f'{", ".join(_REPLACED)}, not {given!r}; leave precision out and '
            'let the wrapper choose its own.'
        )
    if kind == 'fp16' and not torch.cuda.is_available():
        raise ValueError(
            'precision fp16 needs a GPU, and none was found; use bf16'
        )
    new = {k: v for k, v in optim_wrapper.items() if k not in _OF_AUTOCAST}
    if kind == 'fp16':
        named = {'type': 'AmpOptimWrapper', 'dtype': 'float16'}
        return {'loss_scale': 'dynamic', **new, **named}
    new = {k: v for k, v in new.items() if k not in _OF_AMP}
    plain = kind == 'fp32'
    return {**new, 'type': 'OptimWrapper' if plain else 'AutocastOptimWrapper'}


# ------------------------------------------------------ 3. registry scopes
@contextlib.contextmanager
def registry_scope(name: str = 'mmgl') -> Iterator[None]:
    """Resolve component names in a scope, whatever Runner was built before.

    The default scope is global in mmengine: an earlier Runner of another
    package would decide where names are looked up. See
    https://github.com/open-mmlab/mmengine/pull/631.
    """
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope(name):
        yield


def forget_default_scope() -> None:
    """Drop all default scopes of the process, as in a fresh one."""
    from mmengine.registry import DefaultScope

    DefaultScope._instance_dict.clear()


# ---------------------------------------------- 4. configs by package name
def know_own_configs(load: bool = True) -> None:
    """Let mmengine resolve ``mmgl::CONFIG``.

    It knows the packages of OpenMMLab by a table and refuses all others:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/config/utils.py.
    Without ``load`` only if that is in memory, as for the loader above.
    """
    if load or 'mmengine.config.utils' in sys.modules:
        from mmengine.config.utils import MODULE2PACKAGE

        MODULE2PACKAGE.setdefault('mmgl', 'mmgl')


# --------------------------------------------------- 5. text of a config
def format_configs_once() -> None:
    """Let yapf format a statement of configs once in a process.

    mmengine (0.10.7 and its main branch) formats the config anew, in 0.2 s,
    for the log, the file and every checkpoint, six times in the shortest run:
    ``Config.pretty_text`` in
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/config/config.py.
    The text stays what it was. onedl imports yapf each time; nothing changes.
    """
    from mmengine.config import config

    formatted = getattr(config, 'FormatCode', None)
    if formatted is None or hasattr(formatted, 'once'):
        return

    @lru_cache(4096)
    def once(text: str, style: tuple[tuple[str, Any], ...]) -> str:
        result: str = formatted(text, style_config=dict(style))[0]
        return result

    def format_code(
        text: str, style_config: Mapping[str, Any]
    ) -> tuple[str, bool]:
        """Format the statements by themselves: most are in each config."""
        lines, style = text.split('\n'), tuple(style_config.items())
        result = ''.join(
            once('\n'.join(lines[one.lineno - 1 : one.end_lineno]), style)
            for one in ast.parse(text).body
        )
        return result, result != text

    format_code.once = once  # type: ignore[attr-defined]
    config.FormatCode = format_code


# ------------------------------------------- 6. workers of data loaders
def end_with_lost_batches() -> None:
    """Let a worker of a data loader end when it cannot send a batch.

    multiprocessing prints what went wrong, such as too little shared memory,
    and drops the batch, for which torch's loader then waits for ever. See
    https://github.com/pytorch/pytorch/issues/1355.
    """
    from multiprocessing import queues

    from torch.utils.data import get_worker_info

    queue: Any = queues.Queue
    print_it = queue._on_queue_feeder_error

    def end(error: Exception, obj: object) -> None:
        if get_worker_info() is None:
            print_it(error, obj)
            return
        print(f'worker of a data loader: {error}', file=sys.stderr, flush=True)
        os._exit(1)

    queue._on_queue_feeder_error = staticmethod(end)


# ----------------------------------------------------------- 7. warnings
def silence_upstream_warnings() -> None:
    """Filter the warnings of ``UPSTREAM_WARNINGS``."""
    import builtins

    for message, category in UPSTREAM_WARNINGS:
        kind = getattr(builtins, category) if category else Warning
        warnings.filterwarnings('ignore', message=message, category=kind)
