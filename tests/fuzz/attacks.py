"""All attacks; importing this registers them, in the order of the table."""

from importlib import import_module

from .cases import ATTACKS

__all__ = ['ATTACKS']

for name in (
    *('checkpoints', 'splits', 'features', 'images'),
    *('stores', 'bundles', 'exports', 'photographs', 'people'),
    *('service', 'settings', 'commands', 'tables'),
):
    import_module(f'.{name}', __package__)
