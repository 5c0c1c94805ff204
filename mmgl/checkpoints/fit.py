"""Initialise backbones from ImageNet or MMGL weights.

Nothing is loaded unless every tensor of the backbone is accounted for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .compare import misfit, reshaped, some_names
from .reader import KEY, Source, read_network, read_state_dict

PREFIX = 'backbone.'
STEM = 'stem.'
STEMS = {'visible': 'visible_stem.', 'infrared': 'infrared_stem.'}
# Layers an ordinary ResNet has not, with initial values of their own.
ADDED = ('non_local.', 'plugins.')
KINDS = ('imagenet', 'mmgl')
STEM_MODES = ('exact', 'duplicate', 'visible', 'infrared')


@dataclass(frozen=True)
class LoadReport:
    """What :func:`load_backbone` did.

    Attributes:
        source: Where the weights came from.
        matched: Backbone tensors that were overwritten.
        fresh: Backbone tensors that kept their initial values.
        dropped: Tensors of the checkpoint that were not used.
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

    Every parameter and buffer of the backbone must be found with the same
    shape, and every backbone tensor of the checkpoint must be used;
    otherwise nothing is loaded. Heads are dropped.

    Args:
        backbone: A ``OneStreamResNet`` or ``TwoStreamResNet``, or a backbone
            made of several, which are its ``networks``: the checkpoint goes
            into each of them; of one with several networks, each into its
            own.
        checkpoint: A file, ``torchvision://resnet50``, or a loaded dict.
        kind: 'imagenet', a classifier with torchvision's names, whose first
            convolution goes into every stem and which leaves non-local
            blocks fresh; or 'mmgl', a checkpoint of this package (tensors
            named ``backbone.*``).
        stems: How the stems of an 'mmgl' checkpoint are used. 'exact': same
            names; 'duplicate': the one stem into both; 'visible' or
            'infrared': that stem of two into the only one.
        allow_missing: Name prefixes, such as ``'non_local.'``, that the
            checkpoint may lack altogether; they keep their initial values.
        allow_unused: Name prefixes of the checkpoint's backbone that may be
            left over.

    Raises:
        FileNotFoundError: If the checkpoint is missing.
        ValueError: If a setting is unknown or the tensors do not fit; the
            message names them.
    """
    check_init_from(dict(kind=kind, stems=stems))
    networks = getattr(backbone, 'networks', None)
    if networks is not None:
        reports = {
            name: load_backbone(
                network,
                read_network(checkpoint, name),
                kind,
                stems,
                allow_missing,
                allow_unused,
            )
            for name, network in networks.items()
        }
        return _merge_reports(reports)
    source, dropped = _source_tensors(checkpoint, kind)
    target = backbone.state_dict()
    source, unused_stem = _map_stems(source, target, kind, stems)
    allowed = _prefixes(allow_missing)
    if kind == 'imagenet':
        allowed += ADDED
    fresh, missing = _absent(source, target, kind, allowed)
    left = [name for name in source if name not in target]
    left_allowed = [n for n in left if n.startswith(_prefixes(allow_unused))]
    unused = [name for name in left if name not in left_allowed]
    where = 'the given dict' if isinstance(checkpoint, dict) else checkpoint
    wrong = reshaped(source, target)
    problems = misfit(missing, wrong, unused, ' in the backbone')
    if problems:
        raise ValueError(
            f'{KEY}: {where} does not fit model.backbone; {problems}. Use the '
            'same depth, base_channels and non_local as in pre-training, or '
            'name what may differ in model.init_from.allow_missing / '
            "allow_unused, e.g. ('non_local.',)"
        )
    with torch.no_grad():
        for name, value in target.items():
            if name in source:
                value.copy_(source[name])
    report = LoadReport(
        str(where),
        tuple(n for n in target if n in source),
        tuple(fresh),
        tuple(dropped + unused_stem + left_allowed),
    )
    print_log(str(report), logger='current')
    return report


def check_init_from(init_from: Mapping[str, Any] | None) -> None:
    """Check the settings of ``model.init_from`` without opening a file.

    They are None or keywords of :func:`load_backbone`; a mistake is a
    ValueError.
    """
    if init_from is None:
        return
    known = ('kind', 'checkpoint', 'stems', 'allow_missing', 'allow_unused')
    unknown = sorted(set(init_from) - set(known))
    if unknown:
        raise ValueError(
            f'model.init_from has unknown keys {unknown}; known are {known}'
        )
    if init_from.get('kind') not in KINDS:
        raise ValueError(
            f'model.init_from.kind must be one of {KINDS}, got '
            f'{init_from.get("kind")!r}; for random weights set '
            'model.init_from=None'
        )
    stems = init_from.get('stems', 'exact')
    if stems not in STEM_MODES:
        raise ValueError(
            f'model.init_from.stems must be one of {STEM_MODES}, got {stems!r}'
        )
    if init_from['kind'] == 'imagenet' and stems in STEMS:
        raise ValueError(
            f"model.init_from.stems={stems!r} is for kind='mmgl'; ImageNet "
            'weights have one stem, which goes into every stem'
        )


def _merge_reports(reports: dict[str, LoadReport]) -> LoadReport:
    """Join the reports of the networks of one backbone."""
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


def _source_tensors(
    checkpoint: Source, kind: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Backbone tensors in this package's names, and the names dropped."""
    state = read_state_dict(checkpoint)
    has_prefix = any(name.startswith(PREFIX) for name in state)
    if kind == 'mmgl' and not has_prefix:
        raise ValueError(
            f'{KEY}: no tensor named {PREFIX}* among {some_names(state)}; '
            "is it a checkpoint of this package? For torchvision's ImageNet "
            "weights set model.init_from.kind='imagenet'"
        )
    dropped: list[str] = []
    if has_prefix:
        dropped = [name for name in state if not name.startswith(PREFIX)]
        state = {
            name.removeprefix(PREFIX): value
            for name, value in state.items()
            if name.startswith(PREFIX)
        }
    if kind == 'mmgl':
        return state, dropped
    tensors = {}
    for name, value in state.items():
        if name.startswith('fc.'):
            dropped.append(name)
        elif name.startswith(('conv1.', 'bn1.')):
            tensors[STEM + name] = value
        else:
            tensors[name] = value
    return tensors, dropped


def _map_stems(
    source: dict[str, Tensor], target: dict[str, Tensor], kind: str, stems: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Rename the stems of the source as asked; also names then unused."""
    from_two = any(name.startswith(STEMS['visible']) for name in source)
    to_two = any(name.startswith(STEMS['visible']) for name in target)
    if kind == 'imagenet':
        stems = 'duplicate' if to_two else 'exact'
    fits = {
        'exact': from_two == to_two,
        'duplicate': not from_two and to_two,
    }.get(stems, from_two and not to_two)
    if not fits:
        words = {False: 'one stem', True: 'two stems'}
        remedy = (
            'exact'
            if from_two == to_two
            else ('duplicate' if to_two else "visible' or 'infrared")
        )
        raise ValueError(
            f'{KEY}: the checkpoint has {words[from_two]} and the backbone '
            f'{words[to_two]}, which does not go with model.init_from.stems='
            f"'{stems}'; set it to '{remedy}'"
        )
    mapped: dict[str, Tensor] = {}
    unused = []
    for name, value in source.items():
        names = _target_names(name, stems)
        mapped.update(dict.fromkeys(names, value))
        if not names:
            unused.append(name)
    return mapped, unused


def _target_names(name: str, stems: str) -> list[str]:
    """Where a tensor of the source goes: two places, one or none."""
    if stems == 'duplicate' and name.startswith(STEM):
        return [stem + name.removeprefix(STEM) for stem in STEMS.values()]
    if stems in STEMS:
        for modality, stem in STEMS.items():
            if name.startswith(stem):
                kept = modality == stems
                return [STEM + name.removeprefix(stem)] if kept else []
    return [name]


def _absent(
    source: dict[str, Tensor],
    target: dict[str, Tensor],
    kind: str,
    allowed: tuple[str, ...],
) -> tuple[list[str], list[str]]:
    """Target tensors the source lacks: those that may, those that must not.

    A prefix is forgiven only if the source has nothing under it: a part that
    is half there is a mistake.
    """
    allowed = tuple(
        prefix
        for prefix in allowed
        if not any(name.startswith(prefix) for name in source)
    )
    fresh: list[str] = []
    missing: list[str] = []
    for name in target:
        if name in source:
            continue
        # ImageNet files from before torch 0.4.1 lack this unused counter.
        counter = kind == 'imagenet' and name.endswith('num_batches_tracked')
        ok = counter or name.startswith(allowed)
        (fresh if ok else missing).append(name)
    return fresh, missing


def _prefixes(names: Sequence[str] | str) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
