"""How large everything is: on a GPU, and in the rehearsal on a processor."""

from dataclasses import dataclass

from mmgl.utils.benchmark import usable_cores

# Time to draw in, and what an image takes on one core.
DRAWING_SECONDS = 60
SECONDS_OF_AN_IMAGE = 0.008
FULL_IMAGES = 44745
PRECISIONS, FORMATS = ('bf16', 'tf32', 'fp32'), ('+channels-last', '')


@dataclass(frozen=True)
class Sizes:
    """Sizes of a run; modes are those of step.py, most wanted first."""

    device: str = 'cuda'
    workers: int = 16
    preset: str = 'full'
    model: tuple[str, ...] = ()
    images: int | None = None  # of a batch, if not the config's
    modes: tuple[str, ...] = (
        *(one + last for one in PRECISIONS for last in FORMATS),
        'bf16+channels-last+cudnn-benchmark',
    )
    compiled: tuple[str, ...] = tuple(
        f'{one}{last}+compiled' for last in FORMATS for one in PRECISIONS
    )
    backend: str = 'inductor'
    steps: int = 10
    loaded_steps: int = 100
    turns: int = 6
    epochs: int = 6
    learning_rate: float | None = None  # if not the config's
    scale: float = 1
    repeats: int = 3
    stretch: float = 1  # factor of the limits of the parts


REHEARSAL = Sizes(
    device='cpu:0',  # lets the benchmarks take the way of a GPU
    workers=1,
    preset='tiny',
    model=('model.backbone.depth=18', 'model.backbone.base_channels=4'),
    images=16,
    modes=('bf16+channels-last', 'fp32', Sizes.modes[-1]),
    compiled=('fp32+compiled',),
    backend='aot_eager',
    steps=1,
    loaded_steps=1,
    turns=1,
    epochs=2,
    learning_rate=0.01,
    scale=0.02,
    repeats=1,
    stretch=4,
)


def sizes_of(rehearse: bool) -> Sizes:
    """Choose the sizes; with few cores the small data set is drawn."""
    if rehearse:
        return REHEARSAL
    cores = usable_cores()
    drawn = DRAWING_SECONDS * max(1, cores - 2) / SECONDS_OF_AN_IMAGE
    preset = 'full' if drawn > FULL_IMAGES else 'mini'
    return Sizes(workers=max(1, min(16, cores)), preset=preset)
