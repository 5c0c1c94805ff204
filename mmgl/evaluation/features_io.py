"""Reading and writing test features: .npz, and the official .mat layout."""

import json
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmgl.protocols.matfile import load_mat
from mmgl.protocols.sysu import ALL_CAMERAS, sysu_modality
from mmgl.utils.errors import ConfigError, missing_packages
from mmgl.utils.files import replace_whole

from .labels import check_labels
from .npz_files import load_npz, read_rows
from .ranking import check_features, to_numpy

Array = npt.NDArray[Any]
NPZ_FIELDS = ('features', 'pids', 'camids', 'modality', 'index')
# Columns that may be left out.
_BESIDE = ('img_paths', 'role')
_NO_CELL = "{} has no cell named 'feature' with one matrix for each identity."
_CAMERA_FILE = re.compile(r'(.*)_cam[1-6]\.mat$')


@dataclass
class FeatureSet:
    """Features of test images (n, d) with the labels of each image, (n,).

    Cameras and ``index``, the image number within (identity, camera), count
    from 1; modality is 0 visible, 1 infrared; ``trial`` is that of RegDB;
    ``role`` is 1 for what is only a query, 2 only in the gallery, else 0;
    ``seen`` lists the data that the network has seen in training.
    """

    features: Array
    pids: Array
    camids: Array
    modality: Array
    index: Array
    img_paths: Array | None = None
    trial: int | None = None
    role: Array | None = None
    seen: Sequence[Mapping[str, Any]] = ()

    def checked(self, source: str | Path) -> 'FeatureSet':
        """Check everything; ``source`` is for the message of a ConfigError.

        Features are real, finite numbers (n, d); labels whole numbers from 0;
        no image is there twice.
        """
        named = {name: getattr(self, name) for name in NPZ_FIELDS[1:]}
        if self.role is not None:
            named['role'] = self.role
        try:
            labels = check_labels(self.features, **named)[:4]
            check_features(self.features, images=self._image)
        except (TypeError, ValueError) as error:
            hint = ''
            if to_numpy(self.features).dtype == np.float16:
                hint = ' float16 ends at 65504; save float32.'
            raise ConfigError(f'{source}: {error}{hint}') from error
        _, first, counts = np.unique(
            labels, axis=1, return_index=True, return_counts=True
        )
        if (counts > 1).any():
            row = int(first[counts > 1][0])
            raise ConfigError(
                f'{source}: {(counts - 1).sum()} of {counts.sum()} images are '
                f'repeated, such as row {self._image(row)}; write each once.'
            )
        paths = self.img_paths
        if paths is not None and (
            paths.dtype.kind != 'U' or paths.shape != labels[0].shape
        ):
            raise ConfigError(
                f'{source}: img_paths is {paths.dtype} {paths.shape}; give '
                'one text an image.'
            )
        valid: dict[str, Any] = dict(zip(named, labels, strict=False))
        return replace(self, **valid)

    def check_directions(self, distance: str) -> int:
        """Count features of zeros; a ValueError if cosines are asked for.

        Euclidean distances they have, as in the official code; a warning
        tells of them.
        """
        zero = to_numpy((self.features == 0).all(1))
        if not (count := int(zero.sum())):
            return 0
        text = (
            f'features are zero in {count} of {len(zero)} rows '
            f'(first: {self._image(int(zero.argmax()))}) and have no '
        )
        advice = 'check that training did not diverge.'
        if distance == 'cosine':
            raise ValueError(f'{text}cosine; {advice}')
        warnings.warn(
            f'{text}direction; their distances count as in the official '
            f'evaluation. Yet {advice}'
        )
        return count

    def _image(self, row: int) -> str:
        pid, camid, _, index = (column[row] for column in self.labels)
        return f'{row}: camera {camid}, identity {pid}, image {index}'

    @property
    def labels(self) -> tuple[Array, Array, Array, Array]:
        """Identities, cameras, modalities, image numbers, (n,) each."""
        return self.pids, self.camids, self.modality, self.index

    def select(self, rows: Array) -> 'FeatureSet':
        """Keep some images: bool (n,) or row numbers."""
        columns = {k: getattr(self, k) for k in (*NPZ_FIELDS, *_BESIDE)}
        kept = {k: v[rows] for k, v in columns.items() if v is not None}
        return replace(self, **kept)


def save_features(path: str | Path, feature_set: FeatureSet) -> None:
    """Write features to an .npz that :func:`load_features` reads."""
    arrays = {
        name: to_numpy(getattr(feature_set, name)) for name in NPZ_FIELDS
    }
    for name in (*_BESIDE, 'trial'):
        if getattr(feature_set, name) is not None:
            arrays[name] = np.asarray(getattr(feature_set, name))
    if feature_set.seen:
        arrays['seen'] = np.asarray(json.dumps(feature_set.seen))
    # savez(path) would append a suffix.
    with replace_whole(path) as partial, partial.open('wb') as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_features(
    path: str | Path, pids: Collection[int] | None = None
) -> FeatureSet:
    """Read features from an .npz or from the official per-camera .mat files.

    Args:
        path: An .npz with features, pids, camids, modality, index (and
            perhaps img_paths, role, trial, seen); or a folder with
            ``NAME_cam1.mat`` ... ``NAME_cam6.mat``, one of those files, or
            their common start ``.../NAME``, where row i of ``feature{id}``
            is image i.
        pids: Keep only these identities of a data set that counts from 1.

    Raises:
        FileNotFoundError: If there is no such file, or a camera is missing.
        ConfigError: If a file has another form, or what
            :meth:`FeatureSet.checked` refuses.
        ImportError: If a .mat file of version 7.3 is read without h5py.
    """
    path = Path(path)
    npz = path.suffix == '.npz'
    data = _load_npz(path) if npz else _load_cameras(_camera_files(path), pids)
    result = data.checked(path)
    if pids is None:
        return result
    if result.pids.min() < 1:
        raise ConfigError(
            f'{path}: pids has {result.pids.min()}; identities count from 1.'
        )
    wanted = np.isin(result.pids, list(pids))
    if not wanted.any():
        raise ConfigError(f'{path} has no image of the wanted identities.')
    return result if wanted.all() else result.select(wanted)


def _load_npz(path: Path) -> FeatureSet:
    arrays: dict[str, Any] = load_npz(
        path, (*NPZ_FIELDS, *_BESIDE, 'trial', 'seen')
    )
    if missing := [name for name in NPZ_FIELDS if name not in arrays]:
        raise ConfigError(
            f'{path} lacks {", ".join(missing)}; it must hold '
            f'{", ".join(NPZ_FIELDS)}.'
        )
    trial = arrays.pop('trial', None)
    if trial is not None:
        if trial.size != 1 or trial.dtype.kind not in 'iu':
            raise ConfigError(
                f'{path}: trial is {trial}; give one whole number.'
            )
        trial = int(trial.item())
    seen = read_rows(path, 'seen', arrays.pop('seen', None))
    return FeatureSet(**arrays, trial=trial, seen=seen)


def _camera_files(path: Path) -> dict[int, Path]:
    """Find the six files that a folder, a file or a prefix stands for."""
    if path.is_dir():
        found = sorted(path.glob('*_cam[1-6].mat'))
        names = sorted({_CAMERA_FILE.sub(r'\1', file.name) for file in found})
        if len(names) != 1:
            raise FileNotFoundError(
                f'{path} must hold NAME_cam1.mat to NAME_cam6.mat of one '
                f'NAME; found {names if names else "none"}. Give the path '
                'with the NAME to choose one.'
            )
        path = path / names[0]
    else:
        path = path.with_name(_CAMERA_FILE.sub(r'\1', path.name))
    files = {
        camid: path.with_name(f'{path.name}_cam{camid}.mat')
        for camid in ALL_CAMERAS
    }
    missing = [str(file) for file in files.values() if not file.is_file()]
    if missing:
        raise FileNotFoundError(
            f'no feature file {", ".join(missing)}; give an .npz, or all six '
            'cameras in the official layout.'
        )
    return files


def _load_cameras(
    files: dict[int, Path], wanted: Collection[int] | None
) -> FeatureSet:
    entries = [
        (file, camid, pid, rows)
        for camid, file in files.items()
        for pid, rows in _read_cell(file, wanted).items()
    ]
    if not entries:
        raise ConfigError(
            f'{", ".join(map(str, files.values()))}: no image of the wanted '
            'identities.'
        )
    width = entries[0][-1].shape[-1]
    for file, _, pid, rows in entries:
        if rows.ndim != 2 or rows.dtype.kind not in 'fiub':
            raise ConfigError(
                f'{file}: feature{{{pid}}} is {rows.dtype} {rows.shape}; '
                'expected a matrix, one row an image.'
            )
        if rows.shape[1] != width:
            raise ConfigError(
                f'{file}: feature{{{pid}}} has {rows.shape[1]} columns, '
                f'others have {width}.'
            )
    _, cameras, people, matrices = zip(*entries, strict=True)
    counts = [len(rows) for rows in matrices]
    camids = np.repeat(cameras, counts)
    return FeatureSet(
        np.concatenate(matrices),
        np.repeat(people, counts),
        camids,
        sysu_modality(camids),
        np.concatenate([np.arange(1, count + 1) for count in counts]),
    )


def _read_cell(file: Path, wanted: Collection[int] | None) -> dict[int, Array]:
    """Read identity -> (n, d) of the non-empty entries of one camera."""
    try:
        cell = load_mat(file).get('feature')
    except NotImplementedError:  # version 7.3 is HDF5
        try:
            return _read_cell_hdf5(file, wanted)
        except (OSError, RuntimeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f'{file} cannot be read as HDF5 ({error}); save it again.'
            ) from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if cell is None or cell.dtype != object:
        raise ConfigError(_NO_CELL.format(file))
    return {
        pid: entry
        for pid, entry in enumerate(cell.ravel(order='F'), start=1)
        if entry.size and (wanted is None or pid in wanted)
    }


def _read_cell_hdf5(
    file: Path, wanted: Collection[int] | None
) -> dict[int, Array]:
    with missing_packages(f'{file}, unless saved from MATLAB with -v7,'):
        import h5py
    result = {}
    with h5py.File(file, 'r') as content:
        if 'feature' not in content or content['feature'].dtype != object:
            raise ConfigError(_NO_CELL.format(file))
        # MATLAB stores columns first, so its cells and matrices arrive
        # transposed; empty ones hold their shape instead of values.
        cell = content['feature'][()].T.ravel(order='F')
        for pid, reference in enumerate(cell, start=1):
            entry = content[reference]
            empty = entry.attrs.get('MATLAB_empty', 0) or not entry.size
            if not empty and (wanted is None or pid in wanted):
                result[pid] = entry[()].T
    return result
