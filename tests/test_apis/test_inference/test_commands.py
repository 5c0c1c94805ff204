"""``mmgl embed`` and ``mmgl compare``."""

import csv
import shutil

import numpy as np
import pytest

from mmgl.apis.embedding import run_compare, run_embed
from mmgl.checkpoints.bundle import read_settings, write_settings


def embed(bundle, images, out, *more):
    run_embed(
        [
            str(images),
            '--modality=visible',
            f'--weights={bundle}',
            f'--out={out}',
            *more,
        ]
    )


def read(path):
    """Read names and features of any format."""
    if path.suffix == '.npz':
        with np.load(path) as file:
            return file['names'].tolist(), file['features']
    if path.suffix == '.csv':
        with open(path, newline='') as file:
            rows = list(csv.reader(file))[1:]
        return [row[0] for row in rows], np.array(
            [row[1:] for row in rows], np.float32
        )
    parquet = pytest.importorskip('pyarrow.parquet')
    table = parquet.read_table(path)
    return table['name'].to_pylist(), np.array(
        table['feature'].to_pylist(), np.float32
    )


@pytest.mark.parametrize('suffix', ['npz', 'csv', 'parquet'])
def test_features_are_written(bundle, embedder, photographs, tmp_path, suffix):
    if suffix == 'parquet':
        pytest.importorskip('pyarrow')
    out = tmp_path / f'features.{suffix}'
    embed(bundle, photographs, out)
    names, features = read(out)
    paths = sorted(photographs.rglob('*.png'))
    assert names == [str(path) for path in paths]
    assert np.array_equal(features, embedder.embed(paths, 'visible'))


def test_broken_images_stop_or_are_left_out(
    bundle, photographs, tmp_path, capsys
):
    folder = shutil.copytree(photographs, tmp_path / 'images')
    (folder / 'cam0' / '1.jpg').write_bytes(b'nothing')
    out = tmp_path / 'f.npz'
    with pytest.raises(SystemExit) as error:
        embed(bundle, folder, out)
    assert error.value.code == 2 and not out.exists()
    assert "1.jpg' cannot be read" in capsys.readouterr().err
    embed(bundle, folder, out, '--on-error=report')
    assert 'left out: ' in capsys.readouterr().err
    assert len(read(out)[0]) == 7


@pytest.mark.parametrize(
    'more, what',
    [
        (['--out=f.txt'], 'must end in .csv'),
        (['--weights=nowhere'], 'nowhere'),
        (['--batch-size=0'], 'batch-size'),
    ],
)
def test_mistakes_are_one_sentence(bundle, photographs, capsys, more, what):
    with pytest.raises(SystemExit) as error:
        embed(bundle, photographs, 'f.npz', *more)
    shown = capsys.readouterr().err
    assert error.value.code == 2 and what in shown
    assert 'Traceback' not in shown


def test_compare_prints_cosine_and_probability(
    bundle, embedder, photographs, tmp_path, capsys
):
    paths = [str(path) for path in sorted(photographs.rglob('*.png'))[:2]]
    call = [*paths, '--modality', 'visible', 'infrared']
    run_compare([*call, f'--weights={bundle}'])
    (score,) = embedder.compare(*paths, (0, 1))
    assert capsys.readouterr().out == f'similarity {score:.4f}\n'
    folders = [str(photographs), str(photographs), *call[2:]]
    with pytest.raises(SystemExit):
        run_compare([*folders, f'--weights={bundle}'])
    assert 'takes two images, got 7 of each' in capsys.readouterr().err
    folder = shutil.copytree(bundle, tmp_path / 'copy')
    settings = read_settings(folder)
    settings['calibration'] = dict(
        threshold=2.0,
        false_match_rate=0.01,
        false_non_match_rate=0.2,
        same=9,
        different=100,
        slope=0.0,
        offset=0.0,
    )
    write_settings(folder, settings)
    run_compare([*call, f'--weights={folder}'])
    assert 'probability 0.500, below the threshold 2.0000 (false match ' in (
        capsys.readouterr().out
    )
