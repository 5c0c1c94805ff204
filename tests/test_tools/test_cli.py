"""The command that runs every tool."""

import re
import subprocess
import sys
from importlib import import_module

import pytest

from mmgl.cli import COMMANDS, main
from mmgl.utils.paths import tool_dir


@pytest.fixture(autouse=True)
def own_arguments(monkeypatch):
    # The command replaces them.
    monkeypatch.setattr(sys, 'argv', ['mmgl'])


def test_every_tool_has_a_command():
    targets = [target for target, _ in COMMANDS.values()]
    for target in targets:
        module, _, function = target.partition(':')
        assert callable(getattr(import_module(module), function))
    functions = {target.rpartition(':')[2] for target in targets}
    for script in tool_dir().rglob('*.py'):
        text = script.read_text()
        called = {
            name for name in functions if re.search(rf'\b{name}\b', text)
        }
        assert len(called) == 1, script


def test_help_lists_the_commands(capsys):
    assert main(['--help']) == 0
    listed = capsys.readouterr().out
    assert all(f'\n  {name} ' in listed for name in COMMANDS)
    assert main(['--version']) == 0
    assert capsys.readouterr().out.startswith('mmgl ')


def test_a_missing_package_is_named_when_the_work_begins(monkeypatch, capsys):
    def work():
        raise ModuleNotFoundError('No module', name='torch.nn')

    monkeypatch.setitem(COMMANDS, 'train', ('json:loads', ''))
    monkeypatch.setattr('json.loads', work)
    with pytest.raises(SystemExit) as caught:
        main(['train'])
    assert caught.value.code == 2
    said = 'error: mmgl train needs torch, which is not installed; pip install'
    assert capsys.readouterr().err.startswith(said)


# One process, since each takes a third of a second to start.
LIGHT = """
import sys
from contextlib import suppress
from mmgl.cli import COMMANDS, main
main(["--help"])
assert "mmengine" not in sys.modules
for command in COMMANDS:
    for wrong in ("--help", "--wrong"):
        with suppress(SystemExit):
            main([command, wrong])
    assert not {"torch", "matplotlib"} & {*sys.modules}, command
"""


def test_help_and_mistakes_are_light():
    shown = subprocess.run(
        [sys.executable, '-c', LIGHT], capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count('usage: mmgl ') == len(COMMANDS) + 1


def test_tools_are_light():
    """What the scripts import is what the commands import."""
    doors = {target.partition(':')[0] for target, _ in COMMANDS.values()}
    for script in tool_dir().rglob('*.py'):
        (module,) = re.findall(
            r'^from (mmgl\S+) import', script.read_text(), re.M
        )
        assert module in doors, script


def test_mistakes(capsys):
    assert main([]) == 2
    assert 'mmgl: no command' in capsys.readouterr().err
    assert main(['trian', 'a.py']) == 2
    assert "'trian' (did you mean 'train'?)" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(['train', 'gone.py'])
    assert caught.value.code == 2
    assert "there is no config 'gone.py'" in capsys.readouterr().err


def test_exit_code_and_name_of_a_tool(tmp_path, capsys):
    (tmp_path / 'exp').mkdir()
    arguments = ['--root', str(tmp_path), '--layout', 'sysu']
    assert main(['verify-dataset', *arguments]) == 1
    assert 'PROBLEM' in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(['test', '--help'])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith('usage: mmgl test')


def test_scripts_of_tools_run_too(tmp_path, capsys):
    root = tmp_path / 'data'
    options = ['--root', str(root), '--preset', 'tiny', '--quiet']
    assert main(['make-synthetic', *options]) == 0
    assert (root / 'synthetic.json').is_file()
    assert 'images in the sysu layout' in capsys.readouterr().out
