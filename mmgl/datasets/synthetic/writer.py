"""Write a synthetic data set to disk."""

import multiprocessing
import os
import os.path as osp
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

import cv2

from .manifest import PARTIAL, check_root, replace_file, write_manifest
from .presets import GENERATOR_VERSION, Difficulty, get_preset, preset_counts
from .sample import jpeg_quality, regdb_heading, regdb_image, sysu_image
from .splits import plan_sysu, regdb_name, regdb_split_files, sysu_split_files

_CHUNK = 24  # images a worker draws between two progress reports
_STALE = 900  # seconds after which a left-over scratch folder is removed


class Job(NamedTuple):
    """What every worker needs to know."""

    root: str
    scratch: str
    layout: str
    preset: str
    seed: int
    difficulty: Difficulty


class Image(NamedTuple):
    """One file to write; ``source`` is a camera (SYSU) or a modality."""

    path: str
    pid: int
    source: int
    number: int


def write_sysu(
    root, preset='mini', seed=0, workers=1, progress=None, difficulty=None
):
    """Write a data set in the layout of SYSU-MM01.

    The bytes depend on preset, seed and difficulty alone. A finished root is
    reused and an interrupted one is completed; one process at a time should
    write a root.

    Args:
        root (str): Folder to write; new, empty, or written by this function.
        preset (str): ``'tiny'``, ``'mini'`` or ``'full'``.
        seed (int): Seed of identities and images, at least 0.
        workers (int): Number of processes. More than 1 starts new
            interpreters, so a script must guard its entry point with
            ``if __name__ == '__main__'``.
        progress (Callable[[int, int], None] | None): Called with the number
            of images present and the total.
        difficulty (Difficulty | None): Defaults to ``Difficulty()``.

    Returns:
        dict: The manifest, as stored in ``synthetic.json``.

    Raises:
        ValueError: If a setting is invalid, or if the root holds anything
            but a data set with the same settings.
    """
    return _write('sysu', root, preset, seed, workers, progress, difficulty)


def write_regdb(
    root, preset='mini', seed=0, workers=1, progress=None, difficulty=None
):
    """Write a data set in the layout of RegDB, with thermal images.

    See :func:`write_sysu` for the arguments, the result and the errors.
    Images are JPEGs, where RegDB has bitmaps.
    """
    return _write('regdb', root, preset, seed, workers, progress, difficulty)


def _write(layout, root, preset, seed, workers, progress, difficulty):
    spec = get_preset(layout, preset)
    difficulty = _check_settings(seed, workers, difficulty)
    root = osp.abspath(os.fspath(root))
    settings = dict(
        generator='mmgl.datasets.synthetic',
        version=GENERATOR_VERSION,
        layout=layout,
        preset=preset,
        seed=int(seed),
        difficulty=difficulty.to_dict(),
    )
    found = check_root(root, settings)
    counts = preset_counts(layout, preset)
    manifest = dict(settings, counts=_text_keys(counts), complete=True)
    images = _list_images(layout, spec, seed)
    missing = _missing_images(root, images)
    splits = _missing_splits(root, layout, spec, seed)
    if progress is not None:
        progress(len(images) - len(missing), len(images))
    if found == manifest and not missing and not splits:
        return manifest
    os.makedirs(root, exist_ok=True)
    _remove_stale(root)
    scratch = tempfile.mkdtemp(prefix=PARTIAL, dir=root)
    try:
        write_manifest(root, dict(manifest, complete=False), scratch)
        for path, content in splits.items():
            os.makedirs(osp.dirname(path), exist_ok=True)
            replace_file(path, content, scratch)
        job = Job(root, scratch, layout, preset, int(seed), difficulty)
        _draw_all(job, missing, len(images), workers, progress)
        write_manifest(root, manifest, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _check_settings(seed, workers, difficulty):
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise ValueError(f'seed={seed!r} must be an integer of at least 0.')
    if int(workers) != workers or workers < 1:
        raise ValueError(f'workers={workers!r} must be at least 1.')
    difficulty = Difficulty() if difficulty is None else difficulty
    if not isinstance(difficulty, Difficulty):
        raise TypeError(
            f'difficulty must be a Difficulty, not {type(difficulty)}.'
        )
    return difficulty


def _text_keys(tree):
    """Turn the keys of nested dicts into text, as JSON stores them."""
    if not isinstance(tree, dict):
        return tree
    return {str(key): _text_keys(value) for key, value in tree.items()}


def _list_images(layout, spec, seed):
    """List every image file, grouped by folder."""
    if layout == 'sysu':
        return [
            Image(f'cam{cam}/{pid:04d}/{n:04d}.jpg', pid, cam, n)
            for pid, cam, count in plan_sysu(spec, seed)[1]
            for n in range(1, count + 1)
        ]
    return [
        Image(regdb_name(pid, m, n, regdb_heading(seed, pid)), pid, m, n)
        for pid in range(1, spec.num_ids + 1)
        for m in (0, 1)
        for n in range(1, spec.frames + 1)
    ]


def _missing_images(root, images):
    """Return the images that are absent; files present are whole."""
    names, missing = {}, []
    for image in images:
        folder, name = osp.split(image.path)
        if folder not in names:
            path = osp.join(root, folder)
            names[folder] = set(os.listdir(path) if osp.isdir(path) else ())
        if name not in names[folder]:
            missing.append(image)
    return missing


def _missing_splits(root, layout, spec, seed):
    """Return path -> content of absent or altered split files."""
    if layout == 'sysu':
        folder, files = 'exp', sysu_split_files(spec, seed)
    else:
        folder = 'idx'
        files = regdb_split_files(
            spec, seed, lambda pid: regdb_heading(seed, pid)
        )
    absent = {}
    for name, content in files.items():
        path = osp.join(root, folder, name)
        if osp.isfile(path):
            with open(path, 'rb') as file:
                if file.read() == content:
                    continue
        absent[path] = content
    return absent


def _remove_stale(root):
    """Remove scratch folders that a killed process left behind."""
    for name in os.listdir(root):
        path = osp.join(root, name)
        old = time.time() - os.stat(path).st_mtime > _STALE
        if name.startswith(PARTIAL) and old:
            shutil.rmtree(path, ignore_errors=True)


def _draw_all(job, images, total, workers, progress):
    """Draw images in this process or in several."""
    for folder in sorted({osp.dirname(image.path) for image in images}):
        os.makedirs(osp.join(job.root, folder), exist_ok=True)
    chunks = [images[i : i + _CHUNK] for i in range(0, len(images), _CHUNK)]
    done = total - len(images)
    if workers == 1 or len(chunks) < 2:
        results = (draw_chunk(job, chunk) for chunk in chunks)
        _report(results, done, total, progress)
        return
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(
        min(int(workers), len(chunks)), context, _one_thread
    ) as pool:
        futures = [pool.submit(draw_chunk, job, chunk) for chunk in chunks]
        results = (future.result() for future in as_completed(futures))
        try:
            _report(results, done, total, progress)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _report(results, done, total, progress):
    for number in results:
        done += number
        if progress is not None:
            progress(done, total)


def _one_thread():
    """Keep OpenCV from starting threads in every worker."""
    cv2.setNumThreads(1)


def draw_chunk(job, images):
    """Draw and write some images.

    Args:
        job (Job): Settings shared by all images.
        images (list[Image]): What to draw.

    Returns:
        int: How many images were written.
    """
    spec = get_preset(job.layout, job.preset)
    for image in images:
        path, pid, source, number = image
        draw = sysu_image if job.layout == 'sysu' else regdb_image
        pixels = draw(job.seed, pid, source, number, spec, job.difficulty)
        quality = jpeg_quality(job.seed, (pid, source, number))
        good, data = cv2.imencode(
            '.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
        if not good:
            raise OSError(f'OpenCV could not encode {path!r} as JPEG.')
        replace_file(osp.join(job.root, path), data.tobytes(), job.scratch)
    return len(images)
