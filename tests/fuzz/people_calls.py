"""Calls of a gallery that make no sense."""

from collections.abc import Callable

import numpy as np

UNIT = np.eye(8)[0]


def _upsert(**given: object) -> Callable:
    """Change one argument of a good call."""
    good = dict(features=UNIT, names=['a'], metadata=[{}])
    return lambda gallery: gallery.upsert(**(good | given))


def _known(**entry: object) -> Callable:
    return _upsert(metadata=[entry])


def _where(where: object) -> Callable:
    return lambda gallery: gallery.search(UNIT, 3, where)


def _deep() -> list:
    node: list = []
    for _ in range(10**5):
        node = [node]
    return node


def _tied() -> dict:
    entry: dict = {}
    return entry | {'a': (entry.setdefault('b', entry))}


CALLS: dict[str, Callable] = {
    **{
        f'name {name!r:.9}': _upsert(names=[name])
        for name in (
            *('', 'a\0b', 'a\nb', '\ud800', 'a' * 10**5, 7, None, b'a', 1.5),
            *(True, ['a'], '\u202egnp.exe', '\x1b[2J'),
        )
    },
    'quotes': _upsert(names=['\'"; DROP TABLE items; --']),
    'one text for names': _upsert(names='a'),
    'no names': _upsert(names=[]),
    'number of names': _upsert(names=1),
    'None for names': _upsert(names=None),
    'name twice': _upsert(
        features=np.ones((2, 8)), names=['a', 'a'], metadata=None
    ),
    **{
        f'features, {kind}': _upsert(features=value)
        for kind, value in {
            'NaN': UNIT * np.nan,
            'infinite': UNIT * np.inf,
            'zero': UNIT * 0,
            'narrow': UNIT[1:],
            'two rows': np.ones((2, 8)),
            'deep': np.ones((1, 1, 8)),
            'number': 1,
            'None': None,
            'text': 'abcdefgh',
            'words': list('abcdefgh'),
            'complex': UNIT * 1j,
            'ragged': [[1], [1, 2]],
            'empty': [],
            'dict': {},
        }.items()
    },
    **{
        f'metadata, {kind}': _upsert(metadata=value)
        for kind, value in {
            'two': [{}, {}],
            'number': 3,
            'text': 'a',
            'list in list': [[1]],
            'None in list': [None],
            'word in list': ['a'],
            'key of bytes': [{b'a': 1}],
            'number as key': [{1: 2}],
            'itself': [_tied()],
        }.items()
    },
    'deep value': lambda gallery: _known(a=_deep())(gallery),
    **{
        f'{key}={value!r:.12}': _known(**{key: value})
        for key, values in {
            'person': ([1], {}, True, b'a', '\ud800', 'a\0b', 'a' * 10**5),
            'camera': (float('nan'), object(), '\udcff'),
            'time': ('now', float('nan'), float('inf'), True, [], 10**400),
            'more': ({1, 2}, b'a', float('nan'), '\ud800', 1j),
        }.items()
        for value in values
    },
    **{
        f'where {where!r:.24}': _where(where)
        for where in (
            *('abc', 3, ['person'], dict(name='a'), dict(person=b'a')),
            *(dict(time='now'), dict(time=(1, 2, 3)), dict(time=(1,))),
            *(dict(time=float('nan')), dict(time=(None, float('inf')))),
            *(dict(person=dict(a=1)), dict(person=[[1]]), {1: 2}),
            *(dict(person='\ud800'), dict(person=[None]), dict(time=True)),
            *(dict(time=10**400), {'person; --': 'a'}),
        )
    },
    **{
        f'top={top!r}': lambda gallery, top=top: gallery.search(UNIT, top)
        for top in (0, -1, 1.5, True, None, '3', [3])
    },
    'delete all': lambda gallery: gallery.delete(),
    'delete nothing': lambda gallery: gallery.delete(where={}),
    'delete both': lambda gallery: gallery.delete(['a'], dict(person='a')),
    'delete a text': lambda gallery: gallery.delete('cam0/0.png'),
    'delete a number': lambda gallery: gallery.delete(3),
    'get what is not there': lambda gallery: gallery.get(['gone']),
    'get a number': lambda gallery: gallery.get(3),
    'many persons': lambda gallery: len(
        gallery.search(UNIT, 3, dict(person=[f'p{i}' for i in range(10**5)]))
    ),
}
