"""Measure the data pipelines against the same ones by PIL and torchvision.

One worker of a data loader, one thread, on synthetic JPEG files of the size
of SYSU-MM01's images or larger (150-240 x 320-480 pixels, about 40 kB), in
processor time. Both sides end with what goes to the model: mmgl with uint8,
which is normalised on the device, the other side with normalised floats.

Example:
    python tools/benchmarks/data_loading.py --out data_loading.json
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from data_peers import SIZE, augmix_peers, torchvision_pipeline
from images import write_images
from torch.utils.data import DataLoader, Dataset

from mmgl.apis.run_config import load_config
from mmgl.datasets import SYSUMM01, Draw, StreamedPairs
from mmgl.datasets.pack_writer import write_pack
from mmgl.datasets.samplers import StreamSampler
from mmgl.datasets.shards import write_shards
from mmgl.datasets.transforms import AugMix
from mmgl.utils.benchmark import Figure, alternate, report
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.paths import config_dir

PIPELINES = '_base_/pipelines/288x144.py'
IMAGES_EACH = 5  # of a person and camera
RATE, CORES = 3000, 16  # images per second of a GPU, and its cores
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


class Job(Dataset):
    """A data set whose only item is what a function returns in a worker.

    Args:
        function: Function without arguments.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function

    def __len__(self) -> int:
        """Return 1."""
        return 1

    def __getitem__(self, index: int) -> object:
        """Run the function."""
        cv2.setNumThreads(0)
        return self.function()


def in_worker(function: Callable[[], object]) -> object:
    """Run a function in a worker of a data loader, as training does.

    Args:
        function: Function without arguments.

    Returns:
        What it returns.
    """
    loader = DataLoader(
        Job(function), batch_size=None, num_workers=1,
        multiprocessing_context='fork')
    return next(iter(loader))


def pipelines(root: str, folder: Path, kind: str) -> dict[str, Callable]:
    """Return functions that load every image once.

    Args:
        root: Folder of the data set.
        folder: Folder of pack and shards.
        kind: 'fine-tuning' or 'pre-training'.

    Returns:
        By the source of the images; 'PIL' is the other side.
    """
    cfg = load_config(config_dir() / PIPELINES)
    steps = (
        cfg.pretrain_pipeline
        if kind == 'pre-training' else cfg.finetune_pipeline)
    datasets = {
        'JPEG files': SYSUMM01(root, 'train', steps),
        'packed': SYSUMM01(root, 'train', steps, packed=str(folder / 'pack')),
    }
    plain = datasets['JPEG files']
    size = len(plain)
    paths = [plain.get_data_info(n)['img_path'] for n in range(size)]
    load = torchvision_pipeline(kind == 'pre-training')
    functions = {'PIL': lambda: [load(path) for path in paths]}
    draws = [Draw(n, 0, 0, n, n // 2) for n in range(size)]
    for source, dataset in datasets.items():
        functions[source] = (
            lambda dataset=dataset: [dataset[draw] for draw in draws])
    if find_spec('webdataset'):
        stream = StreamedPairs(
            str(folder / 'shards'),
            pipeline=[dict(type='LoadImageFromBytes'), *steps[1:]])
        batch = list(StreamSampler(stream, size, seed=0))
        functions['tar shards'] = lambda: stream.__getitems__(batch)
    return functions


def measure_pipelines(kind: str, seconds: dict[str, float],
                      size: int) -> list[Figure]:
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
                note=f'{rate:.0f} against {rates["PIL"]:.0f} images/s'))
        figures.append(
            Figure(
                f'{kind}, {source}, to feed {RATE} images/s', RATE / rate,
                CORES, 'cores'))
    return figures


def augmix_functions(root: str, count: int) -> dict[str, tuple]:
    """Return variants of AugMix and how many images one call augments.

    Args:
        root: Folder of the data set.
        count: Images to take.

    Returns:
        By name.
    """
    dataset = SYSUMM01(
        root, 'train', [
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=SIZE[::-1])
        ])
    images = [dataset[n]['img'] for n in range(min(count, len(dataset)))]
    ours = {
        f'mmgl, {name}': AugMix(**options)
        for name, options in {
            'uint8 arrays': {},
            'uint8 arrays, nearest': dict(interpolation='nearest'),
        }.items()
    }
    functions = {
        name: (lambda augmix=augmix: [augmix(dict(img=i)) for i in images],
               len(images))
        for name, augmix in ours.items()
    }
    rgb = [np.ascontiguousarray(image[..., ::-1]) for image in images]
    return functions | augmix_peers(rgb)


def measure(options: argparse.Namespace, folder: Path) -> list[Figure]:
    """Write the images and time everything in one worker.

    Args:
        options: Command line options.
        folder: Scratch folder.

    Returns:
        The figures.
    """
    root = str(folder / 'data')
    write_images(Path(root), -(-options.images // 2), IMAGES_EACH,
                 large_and_noisy(), quality=90)
    dataset = SYSUMM01(root, 'train')
    paths = [dataset.get_data_info(n)['img_path'] for n in range(len(dataset))]
    print(f'{len(dataset)} images of '
          f'{np.mean([Path(p).stat().st_size for p in paths]) / 1000:.0f} kB')
    write_pack(root, paths, str(folder / 'pack'), *SIZE)
    if find_spec('webdataset'):
        write_shards(dataset, str(folder / 'shards'), 50)
    figures = []
    for kind in ('fine-tuning', 'pre-training'):
        functions = pipelines(root, folder, kind)
        seconds = in_worker(
            lambda functions=functions: alternate(functions, options.repeats))
        figures += measure_pipelines(kind, seconds, len(dataset))
    variants = augmix_functions(root, options.augmix_images)
    seconds = in_worker(lambda: alternate(
        {name: function for name, (function, _) in variants.items()},
        options.repeats))
    rates = {name: size / seconds[name]
             for name, (_, size) in variants.items()}
    ours = next(iter(rates.values()))
    figures += [
        Figure(f'AugMix by {name}', rate, unit='images/s',
               note=f'mmgl {ours / rate:.1f} x')
        for name, rate in rates.items()
    ]
    return figures


def parse_args(argv=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure the data pipelines against PIL + torchvision.')
    parser.add_argument('--images', type=int, default=100)
    parser.add_argument('--augmix-images', type=int, default=32)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--out', metavar='JSON', help='file for the figures')
    return parser.parse_args(argv)


def main(argv=None) -> dict:
    """Measure, print and return the figures."""
    options = parse_args(argv)
    silence_upstream_warnings()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    return report(
        'Data, one worker', figures, options.out, images=options.images,
        repeats=options.repeats, opencv=cv2.__version__,
        seconds=time.perf_counter() - start)


if __name__ == '__main__':
    main()
