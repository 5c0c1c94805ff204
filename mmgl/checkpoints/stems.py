"""Stems of one- and two-stream backbones, and what goes into which."""

from torch import Tensor

from mmgl.utils.errors import ConfigError

from .reader import INIT

STEM = 'stem.'
STEMS = {'visible': 'visible_stem.', 'infrared': 'infrared_stem.'}
STEM_MODES = ('exact', 'duplicate', *STEMS)


def map_stems(
    source: dict[str, Tensor], target: dict[str, Tensor], kind: str, stems: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Rename the stems of the source as asked; also names then unused."""
    from_two, to_two = (
        any(name.startswith(STEMS['visible']) for name in names)
        for names in (source, target)
    )
    fitting: tuple[str, ...] = ('exact',)
    if from_two != to_two:
        fitting = ('duplicate',) if to_two else tuple(STEMS)
    if kind == 'imagenet':
        if from_two:
            raise ConfigError(
                f'{INIT}: the checkpoint has two stems, as none of ImageNet '
                'has; start from it by --init mmgl'
            )
        stems = 'duplicate' if to_two else 'exact'
    if stems not in fitting:
        words = {False: 'one stem', True: 'two stems'}
        raise ConfigError(
            f'{INIT}: the checkpoint has {words[from_two]} and the backbone '
            f'{words[to_two]}, which does not go with model.init_from.stems='
            f"'{stems}'; set it to {' or '.join(map(repr, fitting))}"
        )
    places = _places(stems)
    mapped: dict[str, Tensor] = {}
    unused = []
    for name, value in source.items():
        old = next(
            (prefix for prefix in places if name.startswith(prefix)), ''
        )
        new = places.get(old, ('',))
        for prefix in new:
            mapped[prefix + name.removeprefix(old)] = value
        if not new:
            unused.append(name)
    return mapped, unused


def _places(stems: str) -> dict[str, tuple[str, ...]]:
    """Say for a stem of the source where it goes: to two, one or none."""
    if stems == 'duplicate':
        return {STEM: tuple(STEMS.values())}
    if stems in STEMS:
        return {
            prefix: (STEM,) if modality == stems else ()
            for modality, prefix in STEMS.items()
        }
    return {}
