"""Images hold the versions that were tested, and the service they compose."""

import re
from pathlib import Path

import pytest
import yaml

from mmgl.serving.command import serve_parser

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize('name', ['Dockerfile', 'gpu.Dockerfile'])
def test_versions_are_the_tested_ones(name):
    tested = dict(
        re.findall(
            r'^([\w-]+)==([^;\s]+)',
            (ROOT / 'requirements/tested.txt').read_text(),
            re.M,
        )
    )
    text = (ROOT / 'docker' / name).read_text()
    named = re.findall(r'\s([\w-]+)==(\S+)', text)
    named += re.findall(r'pytorch/(pytorch):(\d+\.\d+\.\d+)-', text)
    assert named
    for package, version in named:
        package = {'pytorch': 'torch'}.get(package, package)
        assert tested[package.removesuffix('-headless')] == version, package


def test_what_is_composed_starts():
    """The command is one that the service takes, from a place it knows."""
    path = ROOT / 'docker/compose.yaml'
    services = yaml.safe_load(path.read_text())['services']
    mmgl = services['mmgl']
    assert (path.parent / mmgl['build']['context']).resolve() == ROOT
    assert (ROOT / mmgl['build']['dockerfile']).is_file()
    command, *options = mmgl['command'].split()
    given = serve_parser().parse_args(options)
    assert command == 'serve' and given.host == '0.0.0.0'
    host = given.gallery.removeprefix('http://').split(':')[0]
    assert host in services and host in mmgl['depends_on']
    # Reached from this machine alone, and by a token.
    assert mmgl['ports'] == ['127.0.0.1:8000:8000']
    assert 'MMGL_WRITE_TOKEN' in mmgl['environment']
