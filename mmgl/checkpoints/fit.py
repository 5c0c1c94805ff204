"""Initialise backbones from ImageNet or MMGL weights.

Nothing is loaded unless every tensor of the backbone is accounted for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmgl.utils.errors import ConfigError

from .compare import misfit, some_names
from .provenance import MODEL_KEY, read_meta, seen_by
from .reader import INIT, Source, part_of_network, read_state_dict
from .stems import STEM, STEM_MODES, STEMS, map_stems

PREFIX = 'backbone.'
# Layers an ordinary ResNet has not, with initial values of their own.
ADDED = ('non_local.', 'plugins.')
KINDS = ('imagenet', 'mmgl')
SETTINGS = ('kind', 'checkpoint', 'stems', 'allow_missing', 'allow_unused')


@runtime_checkable
class KnowsNames(Protocol):
    """A backbone around a network that has names of its own."""

    def own_names(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a classifier, and leave out its last layer."""


@dataclass(frozen=True)
class LoadReport:
    """Which tensors :func:`load_backbone` loaded, left fresh and dropped.

    ``matched`` and ``fresh`` (at their initial values) are of the backbone,
    ``dropped`` are those of the checkpoint that were not used.
    """

    source: str
    matched: tuple[str, ...]
    fresh: tuple[str, ...]
    dropped: tuple[str, ...]

    def __str__(self) -> str:
        """One sentence for the log."""
        text = (
            f'backbone initialised from {self.source}: '
            f'{len(self.matched)} tensors loaded'
        )
        for word, names in (
            ('kept at their initial values', self.fresh),
            ('of the checkpoint not used', self.dropped),
        ):
            if names:
                text += f'; {len(names)} {word} ({some_names(names)})'
        return text


def load_backbone(
    backbone: nn.Module,
    checkpoint: Source,
    kind: str,
    stems: str = 'exact',
    allow_missing: Sequence[str] | str = (),
    allow_unused: Sequence[str] | str = (),
) -> LoadReport:
    """Load pre-trained weights into a one- or two-stream backbone.

    Every tensor of the backbone must be found with the same shape, and every
    backbone tensor of the checkpoint be used (but for stages that a shorter
    backbone has not), or nothing is loaded. Heads are dropped. A backbone of
    several ``networks`` takes the checkpoint into each of them; one of several
    networks, each into its own.

    Args:
        backbone: A ``OneStreamResNet``, ``TwoStreamResNet``, or several of
            one, or ``AnyBackbone``.
        checkpoint: A file, ``torchvision://resnet50``, or a loaded dict.
        kind: 'imagenet', a classifier with torchvision's names (for
            ``AnyBackbone`` those of its network), whose first
            convolution goes into every stem and which leaves non-local
            blocks fresh; or 'mmgl', a checkpoint of this package (tensors
            named ``backbone.*``).
        stems: How the stems of an 'mmgl' checkpoint are used. 'exact': same
            names; 'duplicate': the one stem into both; 'visible' or
            'infrared': that stem of two into the only one.
        allow_missing: Name prefixes, such as ``'non_local.'``, that may stay
            at their initial values if the checkpoint has nothing under them.
        allow_unused: Name prefixes of its backbone that may be left over.

    Raises:
        FileNotFoundError: If the checkpoint is missing.
        ConfigError: If a setting is unknown or the tensors do not fit; the
            message names them.
    """
    check_init_from(dict(kind=kind, stems=stems))
    missing, unused = _prefixes(allow_missing), _prefixes(allow_unused)
    networks = dict(backbone.named_children()).get('networks')
    where = 'the given dict' if isinstance(checkpoint, dict) else checkpoint
    settings = (str(where), kind, stems, missing, unused)
    state = read_state_dict(checkpoint)
    if isinstance(networks, nn.ModuleDict):
        report = _merge_reports(
            {
                name: _load(network, part_of_network(state, name), *settings)
                for name, network in networks.items()
            }
        )
    else:
        report = _load(backbone, state, *settings)
    vars(backbone)[MODEL_KEY] = seen_by(read_meta(checkpoint))
    return report


def _merge_reports(reports: Mapping[str, LoadReport]) -> LoadReport:
    """Join the reports of several networks."""
    first = next(iter(reports.values()))
    matched, fresh = (
        tuple(
            f'networks.{name}.{tensor}'
            for name, report in reports.items()
            for tensor in getattr(report, field)
        )
        for field in ('matched', 'fresh')
    )
    return LoadReport(first.source, matched, fresh, first.dropped)


def _prefixes(names: Sequence[str] | str) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _load(
    backbone: nn.Module,
    state: Mapping[str, Tensor],
    where: str,
    kind: str,
    stems: str,
    may_miss: tuple[str, ...],
    may_stay: tuple[str, ...],
) -> LoadReport:
    """Load the weights of one network."""
    target = backbone.state_dict()
    source, dropped = _source_tensors(state, kind, backbone)
    source, unused_stem = map_stems(source, target, kind, stems)
    if kind == 'imagenet':
        may_miss += ADDED
    fresh = _may_be_absent(source, target, kind, may_miss)
    may_stay += tuple(getattr(backbone, 'left_out', ()))
    left = [name for name in source if name not in target]
    problems = misfit(
        source,
        target,
        [k for k in target if k not in source and k not in fresh],
        [name for name in left if not name.startswith(may_stay)],
        ' in the backbone',
    )
    if problems:
        raise ConfigError(
            f'{INIT}: {where} does not fit model.backbone; {problems}. Use '
            'the depth, base_channels and non_local of the pre-training, or '
            'name what may differ in model.init_from.allow_missing / '
            "allow_unused, e.g. ('non_local.',)"
        )
    matched = tuple(name for name in target if name in source)
    with torch.no_grad():
        for name in matched:
            target[name].copy_(source[name])
    report = LoadReport(where, matched, fresh, (*dropped, *unused_stem, *left))
    print_log(str(report), logger='current')
    return report


def check_init_from(init_from: Mapping[str, Any] | None) -> None:
    """Check ``model.init_from`` (None or keywords of :func:`load_backbone`).

    No file is opened; a mistake is a ConfigError.
    """
    if init_from is None:
        return
    where, kind = 'model.init_from', init_from.get('kind')
    stems = init_from.get('stems', 'exact')
    unknown = sorted(set(init_from) - set(SETTINGS))
    if unknown:
        raise ConfigError(
            f'{where} has unknown keys {unknown}; known are {SETTINGS}'
        )
    if kind not in KINDS:
        raise ConfigError(
            f'{where}.kind must be one of {KINDS}, got {kind!r}; for random '
            f'weights set {where}=None'
        )
    if stems not in STEM_MODES:
        raise ConfigError(
            f'{where}.stems must be one of {STEM_MODES}, got {stems!r}'
        )
    if kind == 'imagenet' and stems in STEMS:
        raise ConfigError(
            f"{where}.stems={stems!r} is for kind='mmgl'; ImageNet weights "
            'have one stem, which goes into every stem'
        )


def _source_tensors(
    state: Mapping[str, Tensor], kind: str, backbone: nn.Module
) -> tuple[dict[str, Tensor], list[str]]:
    """Backbone tensors in this package's names, and the names dropped."""
    own = {
        name.removeprefix(PREFIX): value
        for name, value in state.items()
        if name.startswith(PREFIX)
    }
    dropped = [k for k in state if not k.startswith(PREFIX)] if own else []
    if kind == 'mmgl':
        if own:
            return own, dropped
        raise ConfigError(
            f'{INIT}: no tensor named {PREFIX}* among {some_names(state)}; '
            "is it a checkpoint of this package? For torchvision's ImageNet "
            "weights set model.init_from.kind='imagenet'"
        )
    state = own or state
    if isinstance(backbone, KnowsNames):
        tensors = backbone.own_names(state)
        kept = {id(value) for value in tensors.values()}
        return tensors, [
            *dropped,
            *(name for name, value in state.items() if id(value) not in kept),
        ]
    tensors = {
        STEM + name if name.startswith(('conv1.', 'bn1.')) else name: value
        for name, value in state.items()
        if not name.startswith('fc.')
    }
    return tensors, [*dropped, *(k for k in state if k.startswith('fc.'))]


def _may_be_absent(
    source: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    kind: str,
    allowed: tuple[str, ...],
) -> tuple[str, ...]:
    """Name the target tensors that the source lacks and may lack.

    A prefix is forgiven only if the source has nothing under it: a part that
    is half there is a mistake.
    """
    forgiven = tuple(
        prefix
        for prefix in allowed
        if not any(name.startswith(prefix) for name in source)
    )
    # ImageNet files from before torch 0.4.1 lack this unused counter.
    counter = 'num_batches_tracked' if kind == 'imagenet' else None
    return tuple(
        name
        for name in target
        if name not in source
        and (name.startswith(forgiven) or name.split('.')[-1] == counter)
    )
