"""Registration of everything in the package, as OpenMMLab names it."""

from importlib import import_module

PACKAGES = (
    'mmgl.datasets',
    'mmgl.datasets.samplers',
    'mmgl.datasets.transforms',
    'mmgl.engine',
    'mmgl.evaluation.metrics',
    'mmgl.models',
    'mmgl.structures',
)


def register_all_modules(init_default_scope: bool = True) -> None:
    """Import every package that registers components.

    Only needed when components are built without a Runner and without
    ``mmgl.registry``, whose registries import their packages themselves.
    ``init_default_scope`` looks component names up in ``mmgl`` from now on.
    """
    for package in PACKAGES:
        import_module(package)
    if init_default_scope:
        from mmengine.registry import DefaultScope

        from .compat import forget_default_scope

        forget_default_scope()
        DefaultScope.get_instance('mmgl', scope_name='mmgl')
