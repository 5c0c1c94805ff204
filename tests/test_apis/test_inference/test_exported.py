"""Exported networks: the same features, without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz.cases import damaged
from fuzz.exports import BYTES, GRAPHS

from mmgl import Embedder
from mmgl.apis.inference.onnx_contents import check_contents
from mmgl.apis.inference.onnx_network import preparation
from mmgl.apis.inference.seal import seal
from mmgl.config.loading import load_config
from mmgl.registry import TRANSFORMS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

# What mmgl-lite does not bring.
BLOCKED = (
    *('torch', 'torchvision', 'mmengine', 'mmcv', 'mmpretrain'),
    *('sklearn', 'scipy', 'matplotlib', 'safetensors', 'onnx'),
)
WITHOUT = f"""
import sys

BLOCKED = {BLOCKED}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in BLOCKED:
            raise ModuleNotFoundError(f'no {{name}}', name=name)

sys.meta_path.insert(0, Blocker())
"""
PROGRAM = """
import json
from importlib.util import find_spec
import numpy as np
import mmgl
from mmgl.cli import main

visible, infrared, image, other, box = json.loads(sys.argv[1])
embedder = mmgl.Embedder(visible, infrared)
rows = embedder.embed([image, other], ['visible', 'infrared'])
boxed = embedder.embed(image, 0, boxes=[[box]])
score = embedder.compare(image, other, (0, 1))
np.savez('got.npz', rows=rows, boxed=boxed, score=score)
assert embedder.calibration.different == 3
embedder.calibration.probability(0.5)
weights = ['--weights', visible, '--weights', infrared]
main(['gallery', 'add', 'people.db', image, '--modality=visible', *weights])
main(['search', 'people.db', other, '--modality=infrared', *weights])
main(['compare', image, other, '--modality', 'visible', 'infrared', *weights])
if find_spec('fastapi'):
    from mmgl.serving.app import create_app
    from mmgl.serving.settings import Settings

    create_app(embedder, None, Settings())
main(['embed', image, '--modality=visible', '-o', 'out.npz', *weights])
for wanted in (lambda: mmgl.build_model, lambda: mmgl.Embedder('bundle')):
    try:
        wanted()
    except ValueError as error:
        print(error)
try:
    main(['train', 'x.py'])
except SystemExit as error:
    print(error.code)
for name in sys.modules:
    assert name.partition('.')[0] not in BLOCKED, name
"""


@pytest.fixture
def files(exported):
    return exported / 'visible.onnx', exported / 'infrared.onnx'


def test_nothing_of_torch_is_needed(files, embedder, photographs, tmp_path):
    """A process of its own, a few seconds."""
    image, other = sorted(photographs.rglob('*.png'))[:2]
    box = (3, 5, 30.5, 70)
    given = [*map(str, (*files, image, other)), box]
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT + PROGRAM, json.dumps(given)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert 'added 1 images, 1 in all' in said
    assert 'probability' in said and 'threshold 0.5000' in said
    assert 'mmgl.build_model needs ' in said
    assert 'bundle is not exported (.onnx): it needs ' in said
    assert 'error: mmgl train needs ' in said and said.count('pip') == 3
    with np.load(tmp_path / 'got.npz') as got:
        want = embedder.embed([image, other], [0, 1])
        np.testing.assert_allclose(got['rows'], want, atol=1e-6)
        boxed = embedder.embed(image, 0, boxes=[[box]])
        np.testing.assert_allclose(got['boxed'], boxed, atol=1e-6)
        score = embedder.compare(image, other, (0, 1))
        np.testing.assert_allclose(got['score'], score, atol=1e-6)
    with np.load(tmp_path / 'out.npz') as out:
        np.testing.assert_allclose(out['features'], want[:1], atol=1e-6)
        assert str(out['model_hash']) == embedder.model_hash


def test_the_folder_or_one_file(exported, files, embedder, photographs):
    image = next(photographs.rglob('*.png'))
    both = Embedder(exported, batch_size=2)
    assert both.model_hash == embedder.model_hash
    assert both.dimensions == embedder.dimensions == 256
    mixed = both.embed([image] * 5, [0, 1, 1, 0, 0])
    want = embedder.embed([image] * 5, [0, 1, 1, 0, 0])
    np.testing.assert_allclose(mixed, want, atol=1e-6)
    alone = Embedder(files[1])
    np.testing.assert_allclose(alone.embed(image, 1), want[1:2], atol=1e-6)
    with pytest.raises(ConfigError, match='no network for visible'):
        alone.embed(image, 'visible')


def test_a_calibration_of_its_own(exported, photographs):
    images = sorted(photographs.rglob('*.png'))
    embedder = Embedder(exported)
    assert embedder.calibration.same == 4
    found = embedder.calibrate(
        images[:2], [images[0], images[3]], (0, 0), [True, False]
    )
    assert embedder.calibration == found and found.different == 1


def changed(path, out, facts=(), weights=False):
    """Write a network with other facts, or another one."""
    network = onnx.load(path)
    if weights:
        del network.metadata_props[:]
    for prop in network.metadata_props:
        prop.value = dict(facts).get(prop.key, prop.value)
    onnx.save(network, out)
    seal(out)
    return out


@pytest.mark.parametrize(
    'facts, what',
    [
        (dict(model_hash='0' * 64), 'differ in their model_hash'),
        (dict(modality='infrared'), 'is for infrared images, too'),
        (dict(modality='thermal'), 'no network that mmgl export wrote'),
        (dict(size='(96, 49)'), 'no network that mmgl export wrote'),
        (dict(size='os.getcwd()'), 'no network that mmgl export wrote'),
        (dict(transforms='[3]'), 'no network that mmgl export wrote'),
        (
            dict(transforms='[{"type": "Rotate", "scale": [48, 96]}]'),
            'which takes torch',
        ),
        (
            dict(transforms='[{"type": "Resize", "scale": [0, 0]}]'),
            'no network that mmgl export wrote',
        ),
    ],
)
def test_files_that_do_not_fit(files, tmp_path, facts, what):
    other = changed(files[0], tmp_path / 'other.onnx', facts)
    with pytest.raises(ConfigError, match=what) as error:
        Embedder(files[1], other)
    assert '\n' not in str(error.value)


def test_features_of_all_in_one_row(files, tmp_path, photographs):
    """Right for one picture, and no features of two."""
    network = onnx.load(files[0])
    network.graph.node[-1].output[0] = 'last'
    shape = onnx.helper.make_tensor('shape', 7, [2], [1, -1])
    network.graph.initializer.append(shape)
    network.graph.node.append(
        onnx.helper.make_node('Reshape', ['last', 'shape'], ['features'])
    )
    onnx.save(network, tmp_path / 'visible.onnx')
    seal(tmp_path / 'visible.onnx')
    small = Embedder(tmp_path / 'visible.onnx')
    image = next(photographs.rglob('*.png'))
    assert small.embed(image, 0).shape == (1, 256)
    with pytest.raises(ConfigError, match=r'no features .*\(1, 512\)'):
        small.embed([image] * 2, 0)


@pytest.mark.parametrize(
    'kind, what',
    [
        ('tensor of /etc/passwd', 'tensors in other files'),
        ('tensor beside', 'tensors in other files'),
        ('foreign operator', 'not of ONNX'),
        ('operator of Microsoft', 'not of ONNX'),
        ('function', 'not of ONNX'),
        ('endless loop', 'an operator has a graph inside'),
    ],
)
def test_no_more_than_a_plain_network(files, tmp_path, kind, what):
    """Refused by whoever writes it, too: a seal says nothing of an author."""
    network = onnx.load(files[0])
    check_contents(network.SerializeToString())
    GRAPHS[kind](network)
    path = tmp_path / 'visible.onnx'
    path.write_bytes(network.SerializeToString())
    with pytest.raises(ConfigError, match=f'is no plain network .*{what}'):
        seal(path)


@pytest.mark.parametrize('kind', BYTES)
def test_bytes_that_are_no_messages(files, kind):
    data = BYTES[kind](files[0].read_bytes())
    if kind == 'empty':  # a message that says nothing
        check_contents(data)
        return
    with pytest.raises(ValueError, match='it is damaged'):
        check_contents(data)


def test_other_files(exported, files, bundle, tmp_path):
    with pytest.raises(ConfigError, match='the other file is not'):
        Embedder(files[0], bundle)
    with pytest.raises(ConfigError, match='one bundle or checkpoint, or'):
        Embedder(bundle, bundle)
    with pytest.raises(ConfigError, match='there is no file .*gone.onnx'):
        Embedder(tmp_path / 'gone.onnx')
    none = tmp_path / 'none.onnx'
    none.write_bytes(b'no network')
    with pytest.raises(ConfigError, match='none.onnx is no plain network'):
        seal(none)
    with pytest.raises(ConfigError, match='no network that mmgl export'):
        Embedder(changed(files[0], tmp_path / 'any.onnx', weights=True))


def test_a_damaged_file_is_noticed(files, tmp_path):
    data = files[0].read_bytes()
    # What reads ONNX reads the sealed file, too.
    facts = onnx.load(files[0]).metadata_props
    assert facts[-1].key == 'sha256' and len(facts[-1].value) == 64
    path = tmp_path / 'visible.onnx'
    for number in range(12):
        way, changed_data = damaged(data, np.random.default_rng(number))
        path.write_bytes(changed_data)
        with pytest.raises(ConfigError, match='visible.onnx is damaged'):
            Embedder(path)
    assert way


@pytest.mark.parametrize(
    'leaf',
    [
        'agw_r50_64-81e_sysu',
        'mpanet_r50_128-140e_sysu',
        'nfs_r18-narrow_synthetic',
    ],
)
def test_pictures_are_those_of_testing(leaf):
    """The pipelines of SYSU-MM01 and of the embedded data, to the bit."""
    steps = load_config(f'mmgl/finetune/{leaf}.py').test_pipeline
    with registry_scope():
        built = [
            TRANSFORMS.build(dict(step))
            for step in steps
            if not step['type'].startswith(('LoadImage', 'Pack'))
        ]
    rng = np.random.default_rng(0)
    prepare = preparation(steps, Path('x'))
    for shape in ((128, 64, 3), (301, 111, 3), (17, 500, 3)):
        image = rng.integers(0, 256, shape, np.uint8)
        results = dict(img=image, img_shape=shape[:2])
        for step in built:
            results = step(results)
        assert np.array_equal(prepare(image), results['img'])
