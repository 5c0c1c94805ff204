"""The page in a real browser: search, filter, delete, mistakes, two tabs."""

import os
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest

from mmgl.gallery.gallery import Gallery
from mmgl.serving.settings import Settings

pytest.importorskip('fastapi')
sync_api = pytest.importorskip('playwright.sync_api')
uvicorn = pytest.importorskip('uvicorn')

CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
pytestmark = pytest.mark.skipif(not CHROMIUM, reason='no chromium')
# Folder for screenshots, if wanted.
PICTURES = os.environ.get('MMGL_SCREENSHOTS')


@pytest.fixture(scope='module')
def address(embedder, photographs, tmp_path_factory):
    """Run the service on a free port."""
    from mmgl.serving.app import create_app

    paths = sorted(photographs.rglob('*.png'))
    path = tmp_path_factory.mktemp('page') / 'people.db'
    gallery = Gallery.open(path, embedder.model_hash)
    gallery.upsert(
        embedder.embed(paths, 'visible'),
        [str(path.relative_to(photographs)) for path in paths],
        [
            dict(camera=path.parent.name, person=f'p{i}', time=1e9 + 60 * i)
            for i, path in enumerate(paths)
        ],
    )
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    settings = Settings(port=port, images=photographs)
    app = create_app(embedder, gallery, settings)
    config = uvicorn.Config(app, port=port, log_level='warning')
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f'http://127.0.0.1:{port}'
    server.should_exit = True
    thread.join()


@pytest.fixture(scope='module')
def browser():
    with sync_api.sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=['--no-sandbox']
        )
        yield started
        started.close()


@pytest.fixture
def page(browser, address):
    """A page without a word in its console."""
    opened = browser.new_page()
    words = []
    opened.on('pageerror', lambda error: words.append(str(error)))
    opened.goto(address)
    opened.wait_for_selector('#persons li')
    yield opened
    opened.close()
    assert words == []


def search(page, path, modality='visible'):
    page.set_input_files('#file', path)
    page.check(f'[value={modality}]')
    page.click('#go')
    page.wait_for_selector('#go:not([disabled])', timeout=20_000)


@pytest.mark.parametrize('width', [380, 1600])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_search_at_every_width(browser, address, photographs, width, scheme):
    page = browser.new_page(
        viewport=dict(width=width, height=900), color_scheme=scheme
    )
    page.goto(address)
    page.wait_for_selector('#persons li')
    search(page, photographs / 'cam1' / '3.png')
    first = page.locator('#matches li').first
    assert 'cam1/3.png' in first.inner_text()
    assert '1.000' in first.inner_text()
    assert first.locator('img').get_attribute('alt') == (
        'Picture of cam1/3.png'
    )
    # Nothing hangs out to the right.
    assert page.evaluate(
        'document.documentElement.scrollWidth'
    ) <= page.evaluate('document.documentElement.clientWidth')
    if PICTURES:
        page.screenshot(
            path=Path(PICTURES, f'page-{width}-{scheme}.png'), full_page=True
        )
    page.close()


def test_filter(page, photographs):
    page.click('summary')
    page.fill('#camera', 'cam0')
    search(page, photographs / 'cam1' / '3.png')
    texts = page.locator('#matches li').all_inner_texts()
    assert len(texts) == 4 and all('camera cam0' in text for text in texts)
    page.fill('#person', 'nobody')
    search(page, photographs / 'cam1' / '3.png')
    assert 'Nobody in the gallery fits' in page.inner_text('#status')


def test_a_hostile_file_is_answered_in_words(page, tmp_path):
    path = tmp_path / '<img src=x onerror=alert(1)>.png'
    path.write_bytes(b'<script>alert(1)</script>')
    search(page, path)
    assert 'cannot be decoded' in page.inner_text('#error')
    assert page.locator('#error img').count() == 0


def test_names_are_text(page, photographs, tmp_path):
    path = tmp_path / '<b>bold<b>.png'
    shutil.copy(photographs / 'cam0' / '0.png', path)
    page.set_input_files('#add-files', path)
    page.select_option('#add-modality', 'visible')
    page.click('#add button')
    page.wait_for_selector('text=8 pictures')
    row = page.locator('#persons li', has_text='<b>bold<b>.png')
    assert row.count() == 1 and row.locator('b').count() == 0
    page.on('dialog', lambda dialog: dialog.accept())
    row.locator('button').click()
    page.wait_for_selector('text=7 pictures')


def test_deleting_is_asked_for_and_two_tabs_agree(
    page, browser, address, photographs
):
    other = browser.new_page()
    other.goto(address)
    other.wait_for_selector('#persons li')
    answers = iter(['dismiss', 'accept'])
    page.on('dialog', lambda dialog: getattr(dialog, next(answers))())
    row = page.locator('#persons li', has_text='cam0/2.png')
    row.locator('button').click()
    assert row.count() == 1
    row.locator('button').click()
    page.wait_for_selector('text=6 pictures')
    # The other tab, which still lists it, finds it gone.
    search(other, photographs / 'cam0' / '2.png')
    texts = other.locator('#matches li').all_inner_texts()
    assert len(texts) == 6
    assert not any('cam0/2.png' in text for text in texts)
    other.close()


def test_a_slow_network_shows_that_it_works(page, photographs):
    def slow(route):
        time.sleep(0.7)
        route.continue_()

    page.route('**/v1/search', slow)
    page.set_input_files('#file', photographs / 'cam1' / '1.png')
    page.check('[value=visible]')
    page.click('#go')
    assert page.inner_text('#status') == 'Searching…'
    assert page.is_disabled('#go')
    page.wait_for_selector('#matches li')


def test_a_dead_service_is_said(page, photographs):
    page.route('**/v1/search', lambda route: route.abort())
    search(page, photographs / 'cam1' / '1.png')
    assert 'does not answer' in page.inner_text('#error')


def test_the_keyboard_is_enough(page, photographs):
    page.set_input_files('#file', photographs / 'cam1' / '1.png')
    page.focus('[value=visible]')
    page.keyboard.press('Space')
    page.keyboard.press('Enter')
    page.wait_for_selector('#matches li')
    assert page.evaluate('document.activeElement.id') == 'results'
    # Every control has a name for those who do not see it.
    nameless = page.evaluate(
        """[...document.querySelectorAll('input, select, button')].filter(
          (one) => !(one.labels?.length || one.textContent.trim()
                     || one.getAttribute('aria-label'))).length"""
    )
    assert nameless == 0
