"""Every method resizes images by the filter of its public code."""

from pathlib import Path

import pytest

from mmgl.config.loading import load_config
from mmgl.utils.paths import config_dir

# AGW, CAJ, DDAG: Image.ANTIALIAS (Lanczos), when SYSU-MM01 is prepared, when
# RegDB is read, and in tests. One-Stream and NFS are fine-tuned by MMGL, whose
# code is made of AGW's; label-free training has CAJ's views. MPANet,
# MutualInfo: torchvision's Resize of PIL images, bilinear by default.
FILTERS = {
    'agw': 'lanczos',
    'caj': 'lanczos',
    'ddag': 'lanczos',
    'deen': 'lanczos',
    'label-free': 'lanczos',
    'mmgl': 'lanczos',
    'mpanet': 'bilinear',
    'mutual-info': 'bilinear',
    'nfs': 'lanczos',
    'one-stream': 'lanczos',
}
LEAVES = sorted(
    str(path.relative_to(config_dir()))
    for path in (config_dir() / 'mmgl').rglob('*.py')
)
DRAWN = [leaf for leaf in LEAVES if '_synthetic' in leaf]
PUBLIC = [leaf for leaf in LEAVES if leaf not in DRAWN]


def filter_of(leaf):
    """The filter of a method or of a variant, named after its method."""
    if '/ssl/' in leaf:  # compared with MMGL, on its images
        return FILTERS['mmgl']
    name = Path(leaf).stem.partition('_')[0]
    (found,) = (
        kind
        for method, kind in FILTERS.items()
        if f'{name}-'.startswith(f'{method}-')
    )
    return found


def resizing_steps(value):
    """All transforms in a pipeline that resize a whole image."""
    if isinstance(value, list | tuple):
        return [step for item in value for step in resizing_steps(item)]
    if not isinstance(value, dict):
        return []
    inner = resizing_steps(list(value.values()))
    whole = value.get('type', '').endswith('Resize')
    return [value.to_dict(), *inner] if whole else inner


def pipelines(leaf):
    cfg = load_config(config_dir() / leaf)
    loaders = [
        cfg.get(f'{stage}_dataloader') for stage in ('train', 'val', 'test')
    ]
    assert loaders[0] is not None
    return [one.dataset.pipeline for one in loaders if one is not None]


def test_leaves_are_found():
    assert len(PUBLIC) > 30 and len(DRAWN) > 15
    assert {filter_of(leaf) for leaf in PUBLIC} == {'bilinear', 'lanczos'}


@pytest.mark.parametrize('leaf', PUBLIC)
def test_filter_of_the_public_code(leaf):
    for pipeline in pipelines(leaf):
        (step,) = resizing_steps(pipeline)
        assert step == pipeline[1]
        assert step['type'] == 'PILResize'
        assert step['interpolation'] == filter_of(leaf)


@pytest.mark.parametrize('leaf', DRAWN)
def test_drawn_images_stay_as_recorded(leaf):
    for pipeline in pipelines(leaf):
        assert resizing_steps(pipeline) == [
            dict(type='Resize', scale=(48, 96))
        ]
