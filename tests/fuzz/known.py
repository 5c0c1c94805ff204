"""Faults that are known: each is asserted to be one still, until it is not."""

# Attack -> why it is not mended, and the kinds of damage.
BY_ATTACK: dict[str, tuple[str, list[str]]] = {
    'feature arrays': (
        'a row of zeros has Euclidean distances, and the official code scores '
        'it; where cosines are asked for it is refused',
        [
            'regdb, all zero',
            'regdb, zero features',
            'sysu, all zero',
            'sysu, zero features',
        ],
    )
}
KNOWN = {
    f'{attack}: {what}': why
    for attack, (why, kinds) in BY_ATTACK.items()
    for what in kinds
}
