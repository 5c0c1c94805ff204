"""What the benchmark of the training step measures: methods and modes."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from full_size_step import benchmark_config
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader

from mmgl.engine.optim_wrappers import step_together
from mmgl.models.backbones import TwoStreamResNet
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

# Name and config, at full size.
METHODS = {
    'mmgl': 'pretrain/mmgl_two-stream_r50_96-100e_sysu.py',
    'one-stream': 'finetune/one-stream_r50_64-81e_sysu.py',
    'agw': 'finetune/agw_r50_64-81e_sysu.py',
    'ddag': 'finetune/ddag_r50_64-81e_sysu.py',
    'nfs': 'finetune/nfs_r50_64-120e_sysu.py',
    'caj': 'finetune/caj_r50_96-100e_sysu.py',
    'mutual-info': 'finetune/mutual-info_r50_128-600e_sysu.py',
    'mpanet': 'finetune/mpanet_r50_128-140e_sysu.py',
}
# Rate and memory in all modes are measured for these.
RATED = ('mmgl', 'agw')
PAIRS = 96  # 16 persons, as many as a batch of MutualInfo has


@dataclass
class StepCase:
    """A method, its batch, and a bare ResNet of equal depth and stride."""

    name: str
    model: nn.Module
    bare: nn.Module
    batch: dict
    loader: DataLoader
    optim: OptimWrapper
    bare_optim: torch.optim.Optimizer
    autocast: Callable

    def whole_step(self) -> None:
        """A step of the training."""
        self.model.train_step(self.batch, self.optim)

    def bare_pass(self, inputs: Tensor, modality: Tensor) -> None:
        """Forward and backward pass of the bare backbone."""
        with self.autocast():
            maps = self.bare(inputs, modality)
        leaves = [one for one in tree_leaves(maps) if one.requires_grad]
        torch.autograd.backward(leaves, list(map(torch.ones_like, leaves)))


def build_case(
    name: str,
    data_root: str,
    work_dir: Path,
    options: Namespace,
    bf16: bool = False,
) -> StepCase:
    """Build a method as tools/train.py does, in training mode."""
    given = dict(config=config_dir() / 'mmgl' / METHODS[name], amp=bf16)
    given = Namespace(**vars(options) | given)
    cfg = benchmark_config(given, data_root, str(work_dir))
    loader = cfg.train_dataloader
    loader['num_workers'] = options.workers
    loader['persistent_workers'] = options.workers > 0
    if options.batch_size:
        _shrink(loader, options.batch_size, options.steps)
    with registry_scope():
        loader = Runner.build_dataloader(loader, seed=0)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).to(options.device).train()
        optim = build_optim_wrapper(model, cfg.optim_wrapper)
        step_together(optim.optimizer)
    network = cfg.model.backbone
    network = network.get('network', network)
    bare = TwoStreamResNet(
        depth=network.depth,
        base_channels=network.get('base_channels', 64),
        last_stride=network.get('last_stride', 1),
    )
    bare = bare.to(options.device).train()
    bare_optim = plain_sgd(bare)
    kind = torch.device(options.device).type
    autocast = partial(torch.autocast, kind, torch.bfloat16, enabled=bf16)
    loaded = next(iter(loader)), loader
    return StepCase(name, model, bare, *loaded, optim, bare_optim, autocast)


def plain_sgd(bare: nn.Module) -> torch.optim.SGD:
    """Make the optimizer of a bare backbone's step."""
    settings = dict(lr=1e-4, momentum=0.9, weight_decay=5e-4)
    return torch.optim.SGD(bare.parameters(), **settings)


def _shrink(loader: ConfigDict, images: int, steps: int) -> None:
    """Let batches have so many images, a multiple of four."""
    loader.batch_size, sampler = images, loader.sampler
    if sampler.type == 'CrossModalPairSampler':
        sampler.update(
            batch_size=images, num_pairs_per_epoch=steps * images // 2
        )
    else:
        sampler.update(num_ids=images // 4, num_instances=2)


@dataclass(frozen=True)
class Mode:
    """Precision, layout, compiled backbone, cuDNN trying algorithms."""

    name: str
    channels_last: bool = False
    compiled: bool = False
    tries: bool = False

    def __str__(self) -> str:
        words = {
            'channels last': self.channels_last,
            'compiled': self.compiled,
            'cuDNN benchmark': self.tries,
        }
        return ', '.join([self.name, *(w for w in words if words[w])])

    @property
    def key(self) -> str:
        """Name on the command line, such as 'bf16+channels-last'."""
        return str(self).lower().replace(', ', '+').replace(' ', '-')

    def build(
        self, name: str, root: str, folder: Path, options: Namespace
    ) -> StepCase:
        """Build a method in this mode; see :func:`build_case`."""
        tf32 = self.name == 'tf32'
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = self.tries
        case = build_case(name, root, folder, options, self.name == 'bf16')
        if self.channels_last:
            case.model.to(memory_format=torch.channels_last)
            case.bare.to(memory_format=torch.channels_last)
        if self.compiled:
            # After eight models of one class it would not compile any more.
            torch.compiler.reset()
            case.model.backbone.compile(backend=options.backend)
        return case


# The ratio to the bare step is that of this one.
FASTEST = Mode('bf16', True)
PRECISIONS, FORMATS = ('bf16', 'tf32', 'fp32'), (True, False)
MODES = {
    mode.key: mode
    for mode in (
        *(Mode(one, last) for one in PRECISIONS for last in FORMATS),
        Mode('bf16', True, tries=True),
        *(Mode(one, last, True) for last in FORMATS for one in PRECISIONS),
    )
}


def planned(
    names: Sequence[str], keys: Sequence[str]
) -> list[tuple[str, Mode]]:
    """List what to measure, the most wanted first."""
    plan = [(n, MODES[key]) for key in keys for n in names if n in RATED]
    return plan + [(name, FASTEST) for name in names if name not in RATED]
