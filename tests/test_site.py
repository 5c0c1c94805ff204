"""The site builds without a warning and shows what is public.

A build takes about seven seconds, most of them for the reference.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmgl

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    for package in ('mkdocs', 'material', 'mkdocstrings_handlers'):
        pytest.importorskip(package, reason='pip install .[docs]')
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict']
    done = subprocess.run(
        [*command, '--site-dir', folder],
        cwd=ROOT,
        env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
        capture_output=True,
        text=True,
    )
    # Links, anchors, navigation, docstrings: a warning ends it.
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_has_its_text(site):
    page = (site / 'reference/mmgl.html').read_text()
    shown = set(re.findall(r'id="mmgl\.(?:\w+\.)*(\w+)"', page))
    assert set(mmgl.__all__) - {'__version__'} <= shown
    assert 'class="gp">&gt;&gt;&gt;' in page


def test_links_out_of_the_folder_lead_to_pages(site):
    page = (site / 'compose.html').read_text()
    assert 'href="CONTRIBUTING.html"' in page
    assert (site / 'CONTRIBUTING.html').is_file()
    page = (site / 'reliability.html').read_text()
    assert 'href="source/tests/fuzz/entrances.py.html"' in page
    assert (
        'ENTRANCES'
        in (site / 'source/tests/fuzz/entrances.py.html').read_text()
    )


def test_nothing_is_asked_of_other_servers(site):
    for page in ('index.html', 'reference/mmgl.html', 'results.html'):
        text = (site / page).read_text()
        assert not re.findall(r'<(?:script|link)[^>]*https?://', text)
