"""Config files and overrides: every mistake is one sentence."""

import os

import pytest

from mmgl.config.loading import checked_config, load_config
from mmgl.utils.errors import ConfigError
from mmgl.utils.paths import config_dir

NAME = 'finetune/agw_r18-narrow_synthetic'
LEAF = f"_base_ = '{config_dir()}/mmgl/{NAME}.py'\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name='a.py'):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    'text, message',
    [
        ("_base_ = './a.py'", "its base './a.py' is based on it"),
        ("_base_ = ['./b.py']", "b.py: its base './a.py' is based on it"),
        ("_base_ = './gone.py'", "there is no base file './gone.py'"),
        ("_base_ = 'https://x.org/a.py'", "no base file 'https://x.org/a.py'"),
        ("_base_ = 'mmgl::gone.py'", "there is no base file 'mmgl::gone.py'"),
        ("_base_ = './c.yaml'", r'only Python files \(.py\) are read'),
        ('_base_ = 3', '_base_ names files, not 3'),
        (b'\x89PNG\r\n\xff\xfe', 'it is no text in UTF-8'),
        (b"name = '\xe9'", 'it is no text in UTF-8'),
        (b'a = 1\0', 'null bytes'),
        ('a = (', 'SyntaxError'),
        ('a = b', 'NameError'),
        ('import sys\nsys.exit(0)', 'SystemExit: 0'),
        ('model = 3', 'model must be a dict, got 3'),
        ('filename = 3', 'filename is reserved'),
        (f'{LEAF}num_classes = 9', "'num_classes'; the key is model.heads.id"),
        (f'{LEAF}lr = 9', "'lr'; the key is optim_wrapper.optimizer.lr"),
        (
            f'{LEAF}modle = {{}}',
            r"nothing reads 'modle' \(did you mean 'model",
        ),
    ],
)
def test_a_broken_file_is_named(write, text, message):
    write("_base_ = './a.py'", 'b.py')
    write('model: 3', 'c.yaml')
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(write(text))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('name', ['a.yaml', 'a.yml', 'a.json', 'a.txt'])
def test_only_python_is_read_and_nothing_runs(write, tmp_path, name):
    trap = tmp_path / 'trap'
    path = write(f"a: !!python/object/apply:os.mkdir ['{trap}']\n", name)
    for text in (str(path), str(write(f"_base_ = './{name}'"))):
        with pytest.raises(ConfigError, match=f'{name}: only Python files'):
            load_config(text)
    assert not trap.exists()


def test_a_folder_is_no_config(tmp_path):
    with pytest.raises(ConfigError, match='is a folder'):
        load_config(tmp_path)


def test_variables_that_are_read(write):
    cfg = load_config(
        write(f'{LEAF}rate = 0.5\noptim_wrapper = dict(lr=rate)\n')
    )
    assert cfg.optim_wrapper.lr == 0.5
    # A part has variables for the files that are based on it.
    part = '_base_/datasets/sysu_mm01_select'
    assert load_config(part).num_classes == 296
    # The tools that extract features read this one.
    load_config(write(f'{LEAF}test_pipeline = []\n'))


@pytest.mark.parametrize(
    'key, message',
    [
        ('num_classes', 'the key is model.heads.id.num_classes$'),
        ('lr', 'the key is optim_wrapper.optimizer.lr$'),
        ('max_epochs', 'the key is train_cfg.max_epochs$'),
        ('vis_backends', 'the key is visualizer.vis_backends$'),
        ('data_root', 'test_dataloader.dataset.data_root or train_dataloader'),
        (
            'finetune_pipeline.0',
            'the key is train_dataloader.dataset.pipeline',
        ),
        ('type', r"nothing reads 'type'; the key is .* or '\*.type' for all$"),
        ('modle.x', r"nothing reads 'modle' \(did you mean 'model'\?\)$"),
        ('nonsense.key', "nothing reads 'nonsense'$"),
        ('custom_imports.imports', "nothing reads 'custom_imports'"),
        ('', "nothing reads ''$"),
        ('*', r"nothing reads '\*'$"),
        ('custom_hooks.0', '^--cfg-options custom_hooks.0: '),
    ],
)
def test_an_override_that_nothing_reads_names_the_key(key, message):
    with pytest.raises(ConfigError, match=message):
        checked_config(NAME, {key: 'os'})


def test_an_override_runs_no_code(tmp_path, monkeypatch):
    (tmp_path / 'trap').mkdir()
    trace = tmp_path / 'trace'
    code = f"open('{trace}', 'w')\n"
    for name in ('__init__.py', 'registry.py'):
        (tmp_path / 'trap' / name).write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    for key, value in {
        'default_scope': 'trap',
        'model._scope_': 'trap',
        'model.type': 'trap.registry.Model',
        'model.neck.type': 'os.mkdir',
        'custom_hooks.0.type': 'trap.Hook',
        'optim_wrapper.constructor': 'trap.constructor',
        'runner_type': 'trap.Runner',
        'custom_imports.imports': ['trap'],
    }.items():
        with pytest.raises(ConfigError, match='no package|nothing reads'):
            checked_config(NAME, {key: value})
    assert not os.path.exists(trace)


def test_what_extraction_reads_may_be_changed():
    change = {'test_pipeline.0.type': 'LoadImageFromBytes'}
    cfg = checked_config(NAME, change, {'test_pipeline'})
    assert cfg.test_pipeline[0].type == 'LoadImageFromBytes'
    with pytest.raises(ConfigError, match="nothing reads 'test_pipeline'"):
        checked_config(NAME, change)
