"""Words that choose how a ranking is made."""

from collections.abc import Collection

DISTANCES = ('cosine', 'euclidean')
CMC_KINDS = ('unique_identity', 'standard')
TIE_RULES = ('expected', 'gallery_order')


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Check an option that is one of a few words."""
    if value not in choices:
        raise ValueError(
            f'{name}={value!r} is not known; choose from {tuple(choices)}.'
        )
