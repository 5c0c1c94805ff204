import pytest
from mmengine.registry import DefaultScope

from mmgl.utils import config_dir, paths, register_all_modules, tool_dir


def test_shipped_folders():
    assert (config_dir() / '_base_/default_runtime.py').is_file()
    assert (tool_dir() / 'train.py').is_file()


def test_installed_package_uses_mim(tmp_path, monkeypatch):
    package = tmp_path / 'mmgl'
    (package / '.mim/configs').mkdir(parents=True)
    monkeypatch.setattr(paths.mmgl, '__file__', str(package / '__init__.py'))
    # A folder of the same name beside an installed package is not ours.
    (tmp_path / 'configs').mkdir()
    assert config_dir() == package / '.mim/configs'
    with pytest.raises(FileNotFoundError, match='install the package'):
        tool_dir()


def test_register_all_modules_sets_the_scope():
    DefaultScope.get_instance('earlier', scope_name='mmengine')
    register_all_modules()
    assert DefaultScope.get_current_instance().scope_name == 'mmgl'
    from mmgl.registry import HOOKS

    assert 'IterationSeedHook' in HOOKS.module_dict
