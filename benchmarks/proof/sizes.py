"""How large everything is: on a GPU, and in the rehearsal on a processor."""

from dataclasses import dataclass, replace

from mmgl.utils.benchmark import usable_cores

# Time to draw in, and what an image takes on one core.
DRAWING_SECONDS = 60
SECONDS_OF_AN_IMAGE = 0.008
FULL_IMAGES = 44745
NARROW = ('model.backbone.depth=18', 'model.backbone.base_channels=4')


@dataclass(frozen=True)
class Sizes:
    """Sizes of a run.

    Attributes:
        device: Of torch. 'cpu:0' lets the benchmarks take the way of a GPU.
        workers: Of a data loader.
        preset: Of the drawn data set, in the layout of SYSU-MM01.
        model: Options of all configs.
        images: Of a batch, if not those of the configs.
        modes: Of the table of steps, see ``step_modes``.
        compiled: The same through ``torch.compile``, most wanted first.
        backend: Of ``torch.compile``.
        steps: Timed in each mode.
        loaded_steps: Timed with the loading of their images.
        turns: Of the loading benchmark.
        epochs: Of each training.
        learning_rate: If not that of the configs.
        gallery: Images to search in.
        scale: Of the evaluation benchmark.
        repeats: Likewise.
        stretch: Factor of the limits of the parts.
    """

    device: str = 'cuda'
    workers: int = 16
    preset: str = 'full'
    model: tuple[str, ...] = ()
    images: int | None = None
    modes: tuple[str, ...] = (
        'bf16+channels-last',
        'bf16',
        'tf32+channels-last',
        'tf32',
        'fp32+channels-last',
        'fp32',
    )
    compiled: tuple[str, ...] = (
        'bf16+channels-last+compiled',
        'tf32+channels-last+compiled',
        'fp32+channels-last+compiled',
        'bf16+compiled',
        'tf32+compiled',
        'fp32+compiled',
    )
    backend: str = 'inductor'
    steps: int = 10
    loaded_steps: int = 100
    turns: int = 6
    epochs: int = 6
    learning_rate: float | None = None
    gallery: int = 1_000_000
    scale: float = 1
    repeats: int = 3
    stretch: float = 1


REHEARSAL = Sizes(
    device='cpu:0',
    workers=1,
    preset='tiny',
    model=NARROW,
    images=16,
    modes=('bf16+channels-last', 'fp32'),
    compiled=('fp32+compiled',),
    backend='aot_eager',
    steps=1,
    loaded_steps=1,
    turns=1,
    epochs=2,
    learning_rate=0.01,
    gallery=5000,
    scale=0.02,
    repeats=1,
    stretch=4,
)


def sizes_of(rehearse: bool) -> Sizes:
    """Choose the sizes for this machine.

    Args:
        rehearse: On a processor, all of it in minutes.

    Returns:
        The sizes; a machine with few cores draws the small data set.
    """
    if rehearse:
        return REHEARSAL
    cores = usable_cores()
    drawn = DRAWING_SECONDS * max(1, cores - 2) / SECONDS_OF_AN_IMAGE
    return replace(
        Sizes(),
        workers=max(1, min(16, cores)),
        preset='full' if drawn > FULL_IMAGES else 'mini',
    )


def config_options(method: str, sizes: Sizes) -> list[str]:
    """Return what makes a full-size config as small as the sizes say.

    Args:
        method: 'mmgl' or 'agw'.
        sizes: The sizes.

    Returns:
        Values of ``--cfg-options``.
    """
    options = list(sizes.model)
    if sizes.learning_rate:
        options.append(f'optim_wrapper.optimizer.lr={sizes.learning_rate}')
    if sizes.images:
        loader, images = 'train_dataloader', sizes.images
        options.append(f'{loader}.batch_size={images}')
        options += (
            [f'{loader}.sampler.batch_size={images}']
            if method == 'mmgl'
            else [
                f'{loader}.sampler.num_ids={images // 4}',
                f'{loader}.sampler.num_instances=2',
            ]
        )
    return options
