"""Images hold the versions that were tested, and the service they compose."""

import json
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


def test_what_an_image_starts_is_a_service():
    """The command, and the address that says whether it is ready."""
    text = (ROOT / 'docker/Dockerfile').read_text().replace('\\\n', '')
    lists = re.findall(r'^(?:ENTRYPOINT|CMD) (\[.*\])', text, re.M)
    entry, (command, *options) = map(json.loads, lists)
    given = serve_parser().parse_args(options)
    assert [*entry, command] == ['mmgl', 'serve']
    assert (given.host, given.port) == ('0.0.0.0', 8000)
    assert re.search(r'^EXPOSE 8000$', text, re.M)
    assert 'http://127.0.0.1:8000/ready' in text
    assert "'/ready'" in (ROOT / 'mmgl/serving/app.py').read_text()
    # Written by its user, who is not root.
    volume = re.search(r'^VOLUME (.+)$', text, re.M)[1]
    assert str(given.gallery).startswith(f'{volume}/')
    assert re.search(r'^USER 1000$', text, re.M)


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
