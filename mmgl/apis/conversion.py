"""Translation of released checkpoints, as the tool does it."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch

from mmgl.checkpoints.converters import (
    METHODS,
    check_tensors,
    resnet_rules,
    translate,
)
from mmgl.checkpoints.converters.backbone_shape import resnet_settings
from mmgl.checkpoints.converters.rules import OneSided, Rule, Tensors, Work
from mmgl.checkpoints.provenance import META_KEY, kept_meta, read_meta
from mmgl.checkpoints.reader import read_state_dict, trust
from mmgl.config.loading import checked_config, forget_init
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope, silence_upstream_warnings
from mmgl.utils.errors import ConfigError, report_errors
from mmgl.utils.files import check_output, replace_whole
from mmgl.utils.paths import config_dir

from .parsers import RESNET, conversion_parser

# What was done, and what the file to write holds.
Converted: TypeAlias = tuple[Work, dict[str, Any]]

CONTAINERS = ('state_dict', 'net', 'model')


def run_conversion(arguments: Sequence[str] | None = None) -> Path:
    """Translate by command line arguments, print what was done.

    Returns the file written.
    """
    options = conversion_parser().parse_args(arguments)
    silence_upstream_warnings()
    if options.trust_checkpoint:
        trust(options.source)
    with report_errors(options.debug):
        check_output(options.out, inputs=[options.source])
        convert = _resnet if options.method == RESNET else _method
        state = read_state_dict(options.source, CONTAINERS, 'IN')
        try:
            work, content = convert(state, options)
        except ValueError as error:
            raise ConfigError(
                f'{options.source}: {error} (method {options.method!r}'
                f'{", reverse" if options.reverse else ""})'
            ) from error
        out = Path(options.out)
        with replace_whole(out) as partial:
            torch.save(content, partial)
    print(f'{len(work.done)} tensors written to {out}')
    for word, names in (('dropped', work.dropped), ('made', work.filled)):
        for why in dict.fromkeys(names.values()):
            number = sum(reason == why for reason in names.values())
            print(f'  {number} {word}: {why}')
    return out


def _method(state: Tensors, options: Namespace) -> Converted:
    """Translate a whole model."""
    method = METHODS[options.method]
    work, ours, theirs = _translated(state, method.rules, options)
    if method.classifier not in theirs:
        raise ValueError(f'no classifier ({method.classifier})')
    classes = len(theirs[method.classifier])
    if options.num_classes not in (None, classes):
        raise ValueError(
            f'{classes} identities, but --num-classes {options.num_classes}'
        )
    dropped = tuple(options.drop) if options.reverse else ()
    ours = {k: v for k, v in ours.items() if not k.startswith(dropped)}
    config = options.config or config_dir() / method.config
    check_tensors(ours, _tensors_of(config, classes, not options.config))
    if not options.reverse:
        return work, _packed(
            work, options, num_classes=classes, class_order=method.class_order
        )
    if method.container:
        # The public test scripts print the epoch.
        return work, {
            method.container: work.done,
            'epoch': 0,
            'meta': kept_meta(read_meta(options.source)),
        }
    return work, work.done


def _tensors_of(config: str | Path, num_classes: int, adapt: bool) -> Tensors:
    """Tensors of a config's model on the device 'meta'.

    It must have so many identities, or gets them if it may ``adapt``.
    """
    cfg = checked_config(config)
    for name, head in cfg.model.get('heads', {}).items():
        if adapt and 'num_classes' in head:
            head.num_classes = num_classes
        elif head.get('num_classes', num_classes) != num_classes:
            raise ValueError(
                f'{num_classes} identities, but model.heads.{name}.'
                f'num_classes={head.num_classes} in {config}'
            )
    forget_init(cfg)
    return _meta_tensors(cfg.model)


def _meta_tensors(cfg: dict[str, Any]) -> Tensors:
    """Names and shapes of what a config builds."""
    with registry_scope(), torch.device('meta'):
        return dict(MODELS.build(cfg).state_dict())


def _resnet(state: Tensors, options: Namespace) -> Converted:
    """Translate a backbone."""
    two_stream = options.two_stream
    if options.reverse:
        stem = f'backbone.{options.stem}_stem.'
        two_stream = any(name.startswith(stem) for name in state)
    rules = resnet_rules(two_stream, options.stem)
    work, ours, theirs = _translated(state, rules, options)
    kind = 'TwoStreamResNet' if two_stream else 'OneStreamResNet'
    backbone = _meta_tensors(dict(type=kind, **resnet_settings(theirs)))
    # Only the other stem is dropped and must be there nevertheless.
    ours = {
        name: value
        for name, value in ours.items()
        if name not in work.dropped or '_stem.' in name
    }
    check_tensors(ours, {f'backbone.{k}': v for k, v in backbone.items()})
    return work, work.done if options.reverse else _packed(work, options)


def _translated(
    state: Tensors, rules: tuple[Rule, ...], options: Namespace
) -> tuple[Work, Tensors, Tensors]:
    """Translate; also the tensors of this package and of the release."""
    drops = tuple(
        OneSided(prefix, 'named by --drop', official=not options.reverse)
        for prefix in options.drop
    )
    work = translate(state, drops + rules, options.reverse)
    if options.reverse:
        return work, state, work.done
    return work, work.done, state


def _packed(work: Work, options: Namespace, **meta: Any) -> dict[str, Any]:
    """State dict and plain meta of a checkpoint of this package."""
    meta.update(
        kept_meta(read_meta(options.source)),
        converted_from=options.method,
        source=Path(options.source).name,
        dropped=list(work.dropped),
    )
    if options.trial is not None:
        meta[META_KEY] = dict(dataset='regdb', trial=options.trial)
    return {'meta': meta, 'state_dict': work.done}
