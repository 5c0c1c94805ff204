"""Features of photographs: right, in order, and whatever is given."""

import io
import itertools
import shutil
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import mmgl
from mmgl import Embedder
from mmgl.apis.inference import ImageError
from mmgl.registry import TRANSFORMS
from mmgl.structures import ReIDDataSample
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError

CONFIG = 'finetune/agw_r18-narrow_synthetic'


def files(folder):
    return sorted(folder.rglob('*.png'))


def features_of_testing(checkpoint, paths, modality):
    """Compute features as testing does: pipeline, preprocessor, predict."""
    cfg = mmgl.get_config(CONFIG)
    model = mmgl.build_model(cfg, checkpoint)
    with registry_scope():
        steps = [TRANSFORMS.build(dict(step)) for step in cfg.test_pipeline]
    batch = []
    for path in paths:
        results = dict(
            img_path=str(path), pid=0, camid=1, index=1, modality=modality
        )
        for step in steps:
            results = step(results)
        batch.append(results)
    data = dict(
        inputs=[one['inputs'] for one in batch],
        data_samples=[one['data_samples'] for one in batch],
    )
    with torch.no_grad():
        samples = model.test_step(data)
    assert all(isinstance(sample, ReIDDataSample) for sample in samples)
    return torch.stack([sample.feature for sample in samples]).numpy()


@pytest.mark.parametrize('modality', [0, 1])
def test_features_equal_those_of_the_test_loop(
    embedder, checkpoint, photographs, modality
):
    paths = files(photographs)
    got = embedder.embed(paths, ['visible', 'infrared'][modality])
    want = features_of_testing(checkpoint, paths, modality)
    assert got.dtype == np.float32 and got.shape == (7, embedder.dimensions)
    np.testing.assert_allclose(got, want, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-6)
    # Persons are told apart, and so are the modalities.
    assert np.abs(got[0] - got[1]).max() > 1e-3


def test_modalities_take_their_own_stem(embedder, photographs):
    paths = files(photographs)
    kinds = ['visible', 'infrared', 0, 1, 'visible', 'infrared', 'visible']
    mixed = embedder.embed(paths, kinds)
    for row, path, kind in zip(mixed, paths, kinds, strict=True):
        alone = embedder.embed(path, kind)[0]
        np.testing.assert_allclose(row, alone, atol=1e-6)
    other = embedder.embed(paths[0], 'infrared')[0]
    assert np.abs(mixed[0] - other).max() > 1e-3


@pytest.mark.parametrize('size', [1, 2, 3, 7, 100])
def test_batch_size_does_not_matter(bundle, embedder, photographs, size):
    got = Embedder(bundle, batch_size=size, workers=1).embed(
        photographs, 'visible'
    )
    want = embedder.embed(photographs, 'visible')
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_every_kind_of_image_is_the_same_image(embedder, photographs):
    path = files(photographs)[2]
    array = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    want = embedder.embed(path, 'visible')
    kinds = {
        'str': str(path),
        'bytes': path.read_bytes(),
        'memoryview': memoryview(path.read_bytes()),
        'PIL': Image.open(path),
        'PIL in memory': Image.open(io.BytesIO(path.read_bytes())),
        'array': array,
        'list': [array],
        'tuple': (path,),
        'generator': (one for one in [array]),
        'pattern': f'{path.parent}/{path.stem}*',
        'batch': array[None],
        'names': np.array([str(path)]),
    }
    for name, image in kinds.items():
        got = embedder.embed(image, 'visible')
        assert np.array_equal(got, want), name


def turned(image):
    """A JPEG of a camera that was held upright, as PIL opens it."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[274] = 6
    image = image.rotate(90, expand=True)
    image.save(file, 'JPEG', exif=exif, quality=98)
    return file.getvalue()


def test_pictures_stand_as_the_camera_was_held(embedder, photographs):
    upright = Image.open(files(photographs)[2])
    data = turned(upright)
    want = embedder.embed(upright, 0)
    for image in (data, Image.open(io.BytesIO(data))):
        assert embedder.embed(image, 0) @ want.T > 0.999
    lying = upright.rotate(90, expand=True)
    assert embedder.embed(lying, 0) @ want.T < 0.999


def test_a_window_of_sixteen_bits_is_that_of_training(checkpoint, tmp_path):
    levels = np.linspace(7000, 9040, 96 * 48).reshape(96, 48)
    deep = levels.round().astype(np.uint16)
    cv2.imwrite(str(tmp_path / 'deep.png'), deep)
    cfg = mmgl.get_config(CONFIG)
    cfg.test_pipeline[0]['window'] = (0, 100)
    thermal = Embedder(checkpoint, config=cfg)
    eight = np.rint((deep - 7000.0) * 255 / 2040).astype(np.uint8)
    want = thermal.embed(eight, 1)
    kinds = tmp_path / 'deep.png', deep, Image.fromarray(deep)
    for image in kinds:
        assert np.array_equal(thermal.embed(image, 1), want)
    assert np.array_equal(thermal.embed(deep, 1, [[(0, 0, 48, 96)]]), want)
    cfg.test_pipeline[0]['window'] = (99, 1)
    with pytest.raises(ConfigError, match='window 99.0, 1.0 are no two perce'):
        Embedder(checkpoint, config=cfg)


def test_what_lies_in_folders_beside_images(embedder, photographs, tmp_path):
    names = 'a.PNG', 'b.webp', 'notes.txt', '.hidden.png', '.sync/c.png'
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(files(photographs)[0], tmp_path / name)
    left_out = r'1 of 2 pictures left out, .*b\.webp'
    with pytest.warns(UserWarning, match=left_out):
        assert len(embedder.embed(tmp_path, 0)) == 1
    (tmp_path / 'b.webp').unlink()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert len(embedder.embed(tmp_path, 0)) == 1


def test_folders_are_sorted_and_nested(embedder, photographs):
    paths = files(photographs)
    rows = embedder.embed([photographs / 'cam0', paths[5]], 'visible')
    want = embedder.embed(files(photographs / 'cam0') + [paths[5]], 'visible')
    assert np.array_equal(rows, want)


def test_a_generator_is_read_as_it_is_needed(bundle, photographs):
    read = []

    def camera():
        for i in itertools.count():
            read.append(i)
            yield files(photographs)[i % 7]

    embedder = Embedder(bundle, batch_size=4)
    stream = embedder.stream(camera(), 'visible')
    for _ in range(3):
        next(stream)
    assert len(read) <= 12
    stream.close()


def test_boxes_cut_persons_out_of_frames(embedder, photographs):
    paths = files(photographs)[:3]
    frames = [cv2.imread(str(path))[..., ::-1] for path in paths]
    # Past the edge, between pixels, none, and all of it.
    boxes = [[(-5, 3.5, 20, 60.2), (10, 10, 1e6, 1e6)], [], [(0, 0, 30, 50)]]
    got = embedder.embed(frames, 'visible', boxes=boxes)
    crops = [frames[0][3:61, 0:20], frames[0][10:, 10:], frames[2][0:50, 0:30]]
    assert np.array_equal(got, embedder.embed(crops, 'visible'))
    # A detector that has found nobody.
    nobody = embedder.embed(frames[:2], 0, boxes=[[], np.empty((0, 4))])
    assert nobody.shape == (0, embedder.dimensions)


def test_grey_arrays_are_three_equal_channels(embedder):
    grey = np.random.default_rng(0).integers(0, 255, (90, 40), np.uint8)
    got = embedder.embed(grey, 'infrared')
    assert np.array_equal(got, embedder.embed(np.dstack([grey] * 3), 1))


@pytest.mark.parametrize(
    'image, what',
    [
        (b'', 'decoded'),
        (b'\x89PNG\r\n\x1a\n' + b'\0' * 40, 'decoded'),
        (np.zeros((9, 9, 3)), 'uint8'),
        (np.zeros((9, 9, 4), np.uint8), 'uint8'),
        (np.zeros((0, 9, 3), np.uint8), 'no pixels'),
        (3, 'a int is no image'),
        ([None], 'a NoneType is no image'),
        (torch.zeros(9, 9, 3), 'a Tensor is no image'),
    ],
)
def test_what_is_no_image_is_named(embedder, image, what):
    with pytest.raises(ImageError, match=what):
        embedder.embed(image, 'visible')


def test_broken_images_are_reported(embedder, photographs, tmp_path):
    paths = files(photographs)[:2]
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'not an image')
    images = [paths[0], broken, paths[1]]
    with pytest.raises(ImageError, match='broken.jpg'):
        embedder.embed(images, 'visible')
    with pytest.warns(UserWarning, match='1 of 3 images .*broken.jpg'):
        got = embedder.embed(images, 'visible', on_error='report')
    assert np.isnan(got[1]).all()
    np.testing.assert_allclose(
        got[[0, 2]], embedder.embed(paths, 'visible'), atol=1e-6
    )


@pytest.mark.parametrize(
    'arguments, what',
    [
        (dict(images='nowhere.png', modality=0), "no image 'nowhere.png'"),
        (dict(images='nowhere/*.png', modality=0), 'no file matches'),
        (dict(images=[], modality=0), 'no images'),
        (dict(modality='thermal'), "'visible' or 'infrared'"),
        (dict(modality=2), "'visible' or 'infrared'"),
        (dict(modality=True), "'visible' or 'infrared'"),
        (dict(modality=['visible']), 'modality has no entry for'),
        (dict(modality=[0] * 9), 'modality has more entries'),
        (dict(modality=0, boxes=[[]]), 'boxes has no entry for'),
        (dict(modality=0, boxes=[[]] * 8), 'boxes has more entries'),
        (dict(modality=0, boxes=[[(0, 0, 9)]] * 7), 'four finite'),
        (dict(modality=0, boxes=[[(0, 0, np.nan, 9)]] * 7), 'four finite'),
        (dict(modality=0, boxes=[[(9, 9, 5, 5)]] * 7), 'leaves nothing'),
        (dict(modality=0, on_error='skip'), 'on_error must be'),
    ],
)
def test_mistakes_are_one_sentence(embedder, photographs, arguments, what):
    with pytest.raises(ConfigError, match=what) as error:
        embedder.embed(**{'images': photographs, **arguments})
    assert '\n' not in str(error.value)


def test_an_empty_folder_is_a_mistake(embedder, tmp_path):
    with pytest.raises(ConfigError, match='holds no image'):
        embedder.embed(tmp_path, 'visible')


def test_the_other_modality_is_noticed_once(embedder, photographs):
    grey = [np.full((60, 30), value, np.uint8) for value in (9, 99, 200)]
    with pytest.warns(UserWarning, match='given as visible but has no colour'):
        embedder.embed(grey, 'visible')
    with pytest.warns(UserWarning, match='infrared but has colours') as seen:
        embedder.embed(photographs, 'infrared')
    assert len(seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        embedder.embed(photographs, 'visible')
        embedder.embed(grey, 'infrared')


def test_compare(embedder, photographs):
    paths = files(photographs)
    scores = embedder.compare(paths[:3], paths[2:5], (0, 1))
    a = embedder.embed(paths[:3], 0)
    b = embedder.embed(paths[2:5], 1)
    np.testing.assert_allclose(scores, (a * b).sum(axis=1), atol=1e-6)
    with pytest.raises(ConfigError, match='3 images cannot be paired with 2'):
        embedder.compare(paths[:3], paths[:2], (0, 0))
    with pytest.raises(ConfigError, match='two modalities'):
        embedder.compare(paths[0], paths[1], 'visible')


def test_bf16_is_near_fp32(bundle, embedder, photographs):
    rough = Embedder(bundle, precision='bf16').embed(photographs, 'visible')
    exact = embedder.embed(photographs, 'visible')
    assert 0 < np.abs(rough - exact).max() < 0.05
    assert rough.dtype == np.float32


@pytest.mark.parametrize(
    'arguments, what',
    [
        (dict(weights='nowhere.pth'), 'nowhere.pth'),
        (dict(device='cuda:77'), 'cuda:77'),
        (dict(device='quantum'), 'quantum'),
        (dict(precision='fp8'), 'precision must be'),
        (dict(batch_size=0), 'batch_size must be'),
        (dict(workers=1.5), 'workers must be'),
        (dict(config=CONFIG), 'settings of its own'),
    ],
)
def test_a_wrong_start_is_one_sentence(bundle, arguments, what):
    with pytest.raises(ConfigError, match=what):
        Embedder(**{'weights': bundle, **arguments})


def test_a_checkpoint_without_config_asks_for_it(checkpoint, tmp_path):
    path = tmp_path / 'bare.pth'
    state = torch.load(checkpoint)['state_dict']
    torch.save(dict(state_dict=state), path)
    with pytest.raises(ConfigError, match='does not carry its config'):
        Embedder(path)
    assert Embedder(path, config=CONFIG).dimensions == 256
    for name, value in state.items():
        if name.endswith('running_var'):
            state[name] = torch.full_like(value, torch.nan)
    torch.save(dict(state_dict=state), path)
    with pytest.raises(ConfigError, match='NaN or Inf'):
        Embedder(path, config=CONFIG)


def test_the_hub_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'huggingface_hub', None)
    with pytest.raises(ConfigError, match='install huggingface_hub'):
        Embedder('someone/agw')
    assert not Path('someone').exists()
