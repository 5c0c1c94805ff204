"""Measure the data pipelines against the same ones by PIL and torchvision.

One worker of a data loader, one thread, on synthetic JPEG files of the size
of SYSU-MM01's images or larger (150-240 x 320-480 pixels, about 40 kB), in
processor time; ``--workers`` adds what several deliver together. Both sides
end with what goes to the model: mmgl with uint8, which is normalised on the
device, the other side with normalised floats.

Example:
    python benchmarks/data_loading.py --out data_loading.json
    python benchmarks/data_loading.py --device cuda --workers 16
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from data_augmix import load_images, measure_augmix
from data_device import LIBRARIES, measure_on_device
from data_peers import SIZE, torchvision_pipeline
from data_resize import measure_resize
from data_workers import CORES, RATE, in_worker, measure_workers
from images import write_images
from kornia_augmix import import_kornia

from mmgl.config.loading import load_config
from mmgl.datasets import SYSUMM01, Draw, StreamedPairs
from mmgl.datasets.pack_writer import write_pack
from mmgl.datasets.samplers import StreamSampler
from mmgl.datasets.shards import write_shards
from mmgl.utils.benchmark import Figure, alternate, report
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.paths import config_dir

PIPELINES = '_base_/pipelines/288x144.py'
KINDS = ('fine-tuning', 'pre-training')
IMAGES_EACH = 5  # of a person and camera
TARGETS = {
    ('fine-tuning', 'JPEG files'): 2.2,
    ('fine-tuning', 'packed'): 5,
    ('pre-training', 'JPEG files'): 3,
    ('pre-training', 'packed'): 5,
}


def large_and_noisy() -> Callable[[np.ndarray], np.ndarray]:
    """Make what turns drawn images into heavy files.

    Returns:
        Gives pixels another size, and the noise of a sensor, without which
        files are too small.
    """
    rng = np.random.default_rng(0)

    def retouch(image: np.ndarray) -> np.ndarray:
        size = rng.integers((150, 320), (241, 481)).tolist()
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
        image = image + rng.normal(0, 14, image.shape)
        return image.clip(0, 255).astype(np.uint8)

    return retouch


def steps_of(kind: str) -> list[dict]:
    """Return a pipeline of the configs.

    Args:
        kind: 'fine-tuning' or 'pre-training'.

    Returns:
        Its steps.
    """
    cfg = load_config(config_dir() / PIPELINES)
    return (
        cfg.pretrain_pipeline
        if kind == 'pre-training'
        else cfg.finetune_pipeline
    )


def data_sets(root: str, folder: Path, kind: str) -> dict[str, SYSUMM01]:
    """Return the images with a pipeline, from files and from the pack.

    Args:
        root: Folder of the data set.
        folder: Folder of pack and shards.
        kind: 'fine-tuning' or 'pre-training'.

    Returns:
        By the source of the images.
    """
    steps = steps_of(kind)
    return {
        'JPEG files': SYSUMM01(root, 'train', steps),
        'packed': SYSUMM01(root, 'train', steps, packed=str(folder / 'pack')),
    }


def pipelines(root: str, folder: Path, kind: str) -> dict[str, Callable]:
    """Return functions that load every image once.

    Args:
        root: Folder of the data set.
        folder: Folder of pack and shards.
        kind: 'fine-tuning' or 'pre-training'.

    Returns:
        By the source of the images; 'PIL' is the other side.
    """
    datasets = data_sets(root, folder, kind)
    plain = datasets['JPEG files']
    size = len(plain)
    paths = [plain.get_data_info(n)['img_path'] for n in range(size)]
    load = torchvision_pipeline(kind == 'pre-training')
    functions = {'PIL': lambda: [load(path) for path in paths]}
    draws = [Draw(n, 0, 0, n, n // 2) for n in range(size)]
    for source, dataset in datasets.items():
        functions[source] = lambda dataset=dataset: [
            dataset[draw] for draw in draws
        ]
    if find_spec('webdataset'):
        stream = StreamedPairs(
            str(folder / 'shards'),
            pipeline=[dict(type='LoadImageFromBytes'), *steps_of(kind)[1:]],
        )
        batch = list(StreamSampler(stream, size, seed=0))
        functions['tar shards'] = lambda: stream.__getitems__(batch)
    return functions


def measure_pipelines(
    kind: str, seconds: dict[str, float], size: int
) -> list[Figure]:
    """Turn seconds into figures.

    Args:
        kind: 'fine-tuning' or 'pre-training'.
        seconds: Time of each function of :func:`pipelines`.
        size: Images of a call.

    Returns:
        Ratios, and cores that feed a GPU.
    """
    rates = {source: size / value for source, value in seconds.items()}
    figures = []
    for source, rate in rates.items():
        if source == 'PIL':
            continue
        figures.append(
            Figure(
                f'{kind}, {source}, against PIL + torchvision',
                rate / rates['PIL'],
                TARGETS.get((kind, source)),
                at_least=True,
                note=f'{rate:.0f} against {rates["PIL"]:.0f} images/s',
            )
        )
        figures.append(
            Figure(
                f'{kind}, {source}, to feed {RATE} images/s',
                RATE / rate,
                CORES,
                'cores',
            )
        )
    return figures


def measure_in_worker(
    options: argparse.Namespace, root: str, folder: Path
) -> list[Figure]:
    """Time pipelines, resizing and AugMix in one worker.

    Args:
        options: Command line options.
        root: Folder of the data set.
        folder: Folder of pack and shards.

    Returns:
        The figures.
    """
    figures = []
    for kind in KINDS:
        functions = pipelines(root, folder, kind)
        seconds = in_worker(
            lambda functions=functions: alternate(functions, options.repeats)
        )
        figures += measure_pipelines(kind, seconds, options.images)
    return figures + measure_resize(options) + measure_augmix(options, root)


def measure(options: argparse.Namespace, folder: Path) -> list[Figure]:
    """Write the images and time everything.

    Args:
        options: Command line options.
        folder: Scratch folder.

    Returns:
        The figures.
    """
    if options.device != 'cpu' and 'kornia' in options.by:
        import_kornia()  # before minutes of work
    root = str(folder / 'data')
    write_images(
        Path(root),
        -(-options.images // 2),
        IMAGES_EACH,
        large_and_noisy(),
        quality=90,
    )
    dataset = SYSUMM01(root, 'train')
    options.images = len(dataset)
    paths = [dataset.get_data_info(n)['img_path'] for n in range(len(dataset))]
    print(
        f'{len(dataset)} images of '
        f'{np.mean([Path(p).stat().st_size for p in paths]) / 1000:.0f} kB'
    )
    write_pack(root, paths, str(folder / 'pack'), *SIZE)
    figures = []
    if options.workers:
        for kind in KINDS:
            figures += measure_workers(
                kind, data_sets(root, folder, kind), options.workers
            )
    if options.device != 'cpu':
        return figures + measure_on_device(
            load_images(root, options.augmix_images),
            load_config(config_dir() / PIPELINES),
            options.device,
            options.by,
            options.repeats,
        )
    if find_spec('webdataset'):
        write_shards(dataset, str(folder / 'shards'), 50)
    return measure_in_worker(options, root, folder) + figures


def parse_args(argv=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure the data pipelines against PIL + torchvision.'
    )
    parser.add_argument('--images', type=int, default=100)
    parser.add_argument(
        '--augmix-images', type=int, help='32, on a GPU 96 by default'
    )
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument(
        '--workers',
        type=int,
        default=0,
        help='measure the images per second of so many workers together, too',
    )
    parser.add_argument(
        '--device',
        default='cpu',
        help="such as 'cuda': measures AugMix and "
        'erasing there against those of a worker, and --workers',
    )
    parser.add_argument(
        '--by',
        nargs='+',
        choices=LIBRARIES,
        default=LIBRARIES,
        metavar='LIBRARY',
        help=f'what is measured on the device, of {", ".join(LIBRARIES)}',
    )
    parser.add_argument('--out', metavar='JSON', help='file for the figures')
    options = parser.parse_args(argv)
    if options.augmix_images is None:
        options.augmix_images = 32 if options.device == 'cpu' else 96
    return options


def main(argv=None) -> dict:
    """Measure, print and return the figures."""
    options = parse_args(argv)
    silence_upstream_warnings()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    return report(
        f'Data, {options.device}',
        figures,
        options.out,
        images=options.images,
        repeats=options.repeats,
        opencv=cv2.__version__,
        seconds=time.perf_counter() - start,
    )


if __name__ == '__main__':
    main()
