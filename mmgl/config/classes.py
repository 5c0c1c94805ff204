"""Numbers of identities that follow from the training set."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmgl.registry import DATASETS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError

from .keys import LOADERS

KEY, AUTO = 'num_classes', 'auto'


def open_heads(model: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Find the heads of a model whose classes follow from the data."""
    heads = model.get('heads')
    for name, head in heads.items() if isinstance(heads, Mapping) else ():
        if isinstance(head, Mapping) and head.get(KEY) == AUTO:
            yield name, head


def count_classes(cfg: Mapping[str, Any]) -> None:
    """Replace ``num_classes='auto'`` by the identities of the training set.

    Raises:
        ConfigError: If the data set does not tell them.
    """
    heads = list(open_heads(cfg['model']))
    if not heads:
        return
    settings = dict(cfg[LOADERS[0]]['dataset'], pipeline=[], lazy_init=True)
    with registry_scope():
        dataset = DATASETS.build(settings)
    number = (getattr(dataset, 'metainfo', None) or {}).get('num_pids')
    if number == 0:
        dataset.full_init()  # which says why
    for name, head in heads:
        if not number:
            raise ConfigError(
                f'model.heads.{name}.{KEY}: {LOADERS[0]}.dataset has no '
                'identities to count; fine-tuning needs them'
            )
        head[KEY] = number


def leave_heads_out(model: Any) -> None:
    """Build a model for tests without heads whose classes are not known."""
    for name, _ in list(open_heads(model or {})):
        model['heads'][name] = None
