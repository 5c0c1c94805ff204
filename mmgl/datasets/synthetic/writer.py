"""Write a synthetic data set to disk."""

import fcntl
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from mmgl.protocols.difficulty import Difficulty
from mmgl.utils.workers import process_pool

from .manifest import (
    LOCK,
    PARTIAL,
    check_root,
    remove_scratch,
    replace_file,
    write_manifest,
)
from .presets import (
    GENERATOR_VERSION,
    LLCMPreset,
    Preset,
    SYSUPreset,
    get_preset,
    preset_counts,
)
from .sample import (
    jpeg_quality,
    llcm_image,
    llcm_source,
    regdb_heading,
    regdb_image,
    sysu_image,
)
from .splits import (
    llcm_split_files,
    plan_llcm,
    plan_sysu,
    regdb_name,
    regdb_split_files,
    sysu_split_files,
)

_CHUNK = 24  # images a worker draws between two progress reports

Progress = Callable[[int, int], None]


class Job(NamedTuple):
    """What every worker needs to know."""

    root: Path
    scratch: Path
    spec: Preset
    seed: int
    difficulty: Difficulty


class Image(NamedTuple):
    """One file to write; ``source`` is a camera, a modality, or both."""

    path: str
    pid: int
    source: int
    number: int


def write_layout(
    layout: str,
    root: str | os.PathLike[str],
    preset: str = 'mini',
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
    difficulty: Difficulty | None = None,
) -> dict[str, Any]:
    """Write a data set in the layout of a real one; return its manifest.

    The bytes depend on preset, seed and difficulty alone. A finished root is
    reused and an interrupted one is completed; one process at a time should
    write a root. The manifest is also stored as ``synthetic.json``. Images of
    RegDB, whose infrared is thermal, are JPEGs, where the set has bitmaps.

    Args:
        layout: ``'sysu'``, ``'regdb'`` or ``'llcm'``.
        root: New, empty, or written by this function.
        preset: ``'tiny'``, ``'mini'`` or ``'full'``.
        seed: Of identities and images, at least 0.
        workers: Number of processes. More than 1 starts new interpreters, so
            a script must guard its entry point with
            ``if __name__ == '__main__'``.
        progress: Called with the number of images present and the total.
        difficulty: Defaults to ``Difficulty()``.

    Raises:
        ValueError: If a setting is invalid, or if the root holds anything
            but a data set with the same settings.
    """
    spec, difficulty = get_preset(layout, preset), difficulty or Difficulty()
    _check_settings(seed, workers, difficulty)
    root = Path(os.path.abspath(root))
    settings = dict(
        generator='mmgl.datasets.synthetic',
        version=GENERATOR_VERSION,
        layout=layout,
        preset=preset,
        seed=int(seed),
        difficulty=difficulty.to_dict(),
    )
    found = check_root(root, settings)
    # As JSON stores them: with keys of text.
    counts = json.loads(json.dumps(preset_counts(layout, preset)))
    manifest = dict(settings, counts=counts, complete=True)
    images = _list_images(spec, seed)
    missing = _missing_images(root, images)
    splits = _missing_splits(root, spec, seed)
    if progress is not None:
        progress(len(images) - len(missing), len(images))
    if found == manifest and not missing and not splits:
        remove_scratch(root)
        return manifest
    with _scratch_folder(root) as scratch:
        write_manifest(root, dict(manifest, complete=False), scratch)
        for path, content in splits.items():
            path.parent.mkdir(exist_ok=True)
            replace_file(path, content, scratch)
        job = Job(root, scratch, spec, int(seed), difficulty)
        _draw_all(job, missing, len(images), workers, progress)
        write_manifest(root, manifest, scratch)
    return manifest


write_sysu = partial(write_layout, 'sysu')
write_regdb = partial(write_layout, 'regdb')
write_llcm = partial(write_layout, 'llcm')


def _check_settings(seed: int, workers: int, difficulty: Difficulty) -> None:
    whole = 0 <= seed < math.inf and int(seed) == seed
    if isinstance(seed, bool) or not whole:
        raise ValueError(f'seed={seed!r} must be an integer of at least 0.')
    most = max(64, 4 * (os.cpu_count() or 1))
    if not 1 <= workers <= most or int(workers) != workers:
        raise ValueError(
            f'workers={workers!r} must be a whole number from 1 to {most}.'
        )
    if not isinstance(difficulty, Difficulty):
        raise TypeError(
            f'difficulty must be a Difficulty, not {type(difficulty)}.'
        )


def _list_images(spec: Preset, seed: int) -> list[Image]:
    """List every image file, grouped by folder."""
    if isinstance(spec, SYSUPreset):
        return [
            Image(f'cam{cam}/{pid:04d}/{n:04d}.jpg', pid, cam, n)
            for pid, cam, count in plan_sysu(spec, seed)[1]
            for n in range(1, count + 1)
        ]
    if isinstance(spec, LLCMPreset):
        return [
            Image(shot.path, shot.pid, llcm_source(*shot[2:4]), shot.number)
            for shots in plan_llcm(spec, seed)[1].values()
            for shot in shots
        ]
    return [
        Image(regdb_name(pid, m, n, regdb_heading(seed, pid)), pid, m, n)
        for pid in range(1, spec.num_ids + 1)
        for m in (0, 1)
        for n in range(1, spec.frames + 1)
    ]


def _missing_images(root: Path, images: Iterable[Image]) -> list[Image]:
    """Return the images that are absent; files present are whole."""
    present = {
        os.path.join(folder, name)
        for folder, _, names in os.walk(root, followlinks=True)
        for name in names
    }
    return [i for i in images if os.path.join(root, i.path) not in present]


def _missing_splits(root: Path, spec: Preset, seed: int) -> dict[Path, bytes]:
    """Return path -> content of absent or altered split files."""
    if isinstance(spec, SYSUPreset):
        folder, files = root / 'exp', sysu_split_files(spec, seed)
    elif isinstance(spec, LLCMPreset):
        folder, files = root / 'idx', llcm_split_files(spec, seed)
    else:
        heading = partial(regdb_heading, seed)
        folder, files = root / 'idx', regdb_split_files(spec, seed, heading)
    return {
        path: content
        for name, content in files.items()
        if not (path := folder / name).is_file()
        or path.read_bytes() != content
    }


@contextmanager
def _scratch_folder(root: Path) -> Iterator[Path]:
    """Lend a folder, and remove those that a killed process left behind."""
    root.mkdir(parents=True, exist_ok=True)
    remove_scratch(root)
    scratch = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=root))
    try:
        with (scratch / LOCK).open('w') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _draw_all(
    job: Job,
    images: Sequence[Image],
    total: int,
    workers: int,
    progress: Progress | None,
) -> None:
    """Draw images in this process or in several."""
    for folder in sorted({os.path.dirname(image.path) for image in images}):
        (job.root / folder).mkdir(parents=True, exist_ok=True)
    chunks = [images[i : i + _CHUNK] for i in range(0, len(images), _CHUNK)]
    done, draw = total - len(images), partial(draw_chunk, job)
    with ExitStack() as stack:
        numbers: Iterator[int] = map(draw, chunks)
        if min(workers, len(chunks)) > 1:
            # One thread of OpenCV each.
            pool = process_pool(
                min(int(workers), len(chunks)), 'spawn', cv2.setNumThreads, 1
            )
            numbers = stack.enter_context(pool).map(draw, chunks)
        for number in numbers:
            done += number
            if progress is not None:
                progress(done, total)


def draw_chunk(job: Job, images: Sequence[Image]) -> int:
    """Draw and write some images; return how many."""
    _, _, spec, seed, difficulty = job
    for path, pid, source, number in images:
        if isinstance(spec, SYSUPreset):
            pixels = sysu_image(seed, pid, source, number, spec, difficulty)
        elif isinstance(spec, LLCMPreset):
            pixels = llcm_image(seed, pid, source, number, spec, difficulty)
        else:
            pixels = regdb_image(seed, pid, source, number, spec, difficulty)
        quality = [
            cv2.IMWRITE_JPEG_QUALITY,
            jpeg_quality(seed, pid, source, number),
        ]
        good, data = cv2.imencode('.jpg', pixels, quality)
        if not good:
            raise OSError(f'OpenCV could not encode {path!r} as JPEG.')
        replace_file(job.root / path, data.tobytes(), job.scratch)
    return len(images)
