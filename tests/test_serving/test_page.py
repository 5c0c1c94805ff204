"""The page in a real browser: search, compare, change, mistakes, two tabs.

Needs chromium, playwright and, to check what all can read and reach,
axe-playwright-python.

With ``MMGL_SCREENSHOTS=docs/images`` it draws the pictures of the documents:
``-k drawn`` is enough for them.
"""

import io
import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import mmgl
from mmgl.apis.inference.calibration import calibrate
from mmgl.datasets.synthetic import Difficulty, get_preset, sysu_image
from mmgl.gallery.gallery import Gallery
from mmgl.serving.settings import Settings

pytest.importorskip('fastapi')
sync_api = pytest.importorskip('playwright.sync_api')
uvicorn = pytest.importorskip('uvicorn')

CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
pytestmark = pytest.mark.skipif(not CHROMIUM, reason='no chromium')
# Folder for screenshots, if wanted.
PICTURES = os.environ.get('MMGL_SCREENSHOTS')
MAX_BYTES = 200_000


@contextmanager
def serving(embedder, path, images, metadata, **settings):
    """Run the service over the images of a folder, on a free port."""
    from mmgl.serving.app import create_app

    paths = sorted(images.rglob('*.png'))
    gallery = Gallery.open(path, embedder.model_hash)
    gallery.upsert(
        embedder.embed(paths, 'visible'),
        [str(path.relative_to(images)) for path in paths],
        metadata(paths),
    )
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    settings = Settings(port=port, images=images, **settings)
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
def address(embedder, photographs, tmp_path_factory):
    """A gallery of which the cameras are known, and the times."""

    def metadata(paths):
        return [
            dict(camera=path.parent.name, person=f'p{i}', time=1e9 + 60 * i)
            for i, path in enumerate(paths)
        ]

    path = tmp_path_factory.mktemp('page') / 'people.db'
    with serving(embedder, path, photographs, metadata) as started:
        yield started


@pytest.fixture(scope='module')
def street(bundle, tmp_path_factory):
    """A gallery of drawn people, and a calibrated model."""
    folder = tmp_path_factory.mktemp('street')
    preset = get_preset('sysu', 'mini')
    for person in range(1, 7):
        for camera in (1, 2):
            image = sysu_image(380, person, camera, 2, preset, Difficulty())
            cv2.imwrite(str(folder / f'{person}-{camera}.png'), image)
    embedder = mmgl.Embedder(bundle)
    rows = embedder.embed(folder, 'visible')
    who = np.arange(12) // 2
    pairs = np.triu_indices(12, 1)
    same = (who[:, None] == who)[pairs]
    embedder.calibration = calibrate((rows @ rows.T)[pairs], same, 0.1)

    def metadata(paths):
        return [
            dict(
                camera=path.stem[-1],
                person=path.stem[0],
                modality='visible',
                time=1.7e9 + 3600 * i,
            )
            for i, path in enumerate(paths)
        ]

    path = folder.parent / 'street.db'
    with serving(embedder, path, folder, metadata) as started:
        yield started


@pytest.fixture(scope='module')
def browser():
    with sync_api.sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=['--no-sandbox']
        )
        yield started
        started.close()


def opened(browser, address, **settings):
    """A page of which errors in its scripts are kept."""
    page = browser.new_page(**settings)
    page.set_default_timeout(20_000)
    page.words = []
    page.on('pageerror', lambda error: page.words.append(str(error)))
    page.goto(address)
    page.wait_for_selector('#persons li')
    return page


@pytest.fixture
def page(browser, address):
    """A page without a word in its console."""
    page = opened(browser, address)
    yield page
    page.close()
    assert page.words == []


def search(page, path, modality='visible'):
    page.set_input_files('#file', path)
    page.check(f'[value={modality}]')
    page.click('#go')
    page.wait_for_selector('#go:not([disabled])')


def accessible(page):
    """Assert what axe-core finds of WCAG 2.1 AA: names, roles, contrast."""
    axe = pytest.importorskip('axe_playwright_python.sync_playwright')
    rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']
    options = dict(runOnly=dict(type='tag', values=rules))
    found = axe.Axe().run(page, options=options)
    assert found.violations_count == 0, found.generate_report()


def nothing_hangs_out(page):
    assert page.evaluate(
        'document.documentElement.scrollWidth'
    ) <= page.evaluate('document.documentElement.clientWidth')


def picture(page, name):
    """Draw a picture for the documents, if wanted."""
    if PICTURES:
        path = Path(PICTURES, name)
        drawn = Image.open(io.BytesIO(page.screenshot())).convert('RGB')
        few = drawn.quantize(96, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        assert path.stat().st_size < MAX_BYTES


@pytest.mark.parametrize(
    'width, scheme, name',
    [
        (1600, 'light', 'service_page.png'),
        (380, 'dark', 'service_page_narrow.png'),
    ],
)
def test_a_drawn_person_is_found_compared_and_shown(
    browser, street, width, scheme, name
):
    wide = width > 1000
    page = opened(
        browser,
        street,
        viewport=dict(width=width, height=900 if wide else 760),
        color_scheme=scheme,
        locale='en-GB',
    )
    page.click('#samples summary')
    page.click('[aria-label="Take drawn person 2, visible"]')
    assert page.is_checked('[value=visible]')
    page.click('#go')
    page.wait_for_selector('#matches li')
    page.wait_for_selector('#go:not([disabled])')
    assert page.locator('#matches li').count() == 10
    first = page.locator('#matches li').first
    assert 'probability' in first.inner_text()
    assert first.locator('img').get_attribute('alt').startswith('Picture of')
    nothing_hangs_out(page)
    accessible(page)
    if wide:
        page.evaluate('scrollTo(0, 0)')
        picture(page, name)
    first.get_by_text('Compare').click()
    facts = page.inner_text('#pair-facts').split('\n')
    assert facts[::2] == [
        'Similarity',
        'Probability',
        'Person',
        'Camera',
        'Time',
    ]
    assert facts[3].endswith('%') and facts[7] in '12'
    assert page.input_value('#pair-modality') == 'visible'
    page.click('#explain')
    page.wait_for_selector('#pair-second canvas')
    words = page.inner_text('#pair-status')
    assert 'Left:' in words and 'upper' in words
    # Somewhere it is coloured, and not everywhere.
    colours = page.evaluate(
        """[...document.querySelectorAll('.frame canvas')].map((one) =>
          [...one.getContext('2d').getImageData(0, 0, 3, 6).data]
            .filter((_, i) => i % 4 === 3))"""
    )
    assert all(max(one) > 0 for one in colours)
    assert max(map(max, colours)) == 200 and min(map(min, colours)) < 100
    accessible(page)
    nothing_hangs_out(page)
    if not wide:
        picture(page, name)
    page.keyboard.press('Escape')
    assert page.locator('dialog[open]').count() == 0
    # The focus is where it was.
    label = page.evaluate('document.activeElement.ariaLabel')
    assert label.startswith('Compare with')
    page.close()
    assert page.words == []


def test_a_pair_without_explanation_says_so(browser, address, photographs):
    page = opened(browser, address)
    search(page, photographs / 'cam1' / '3.png')
    first = page.locator('#matches li').first
    assert 'cam1/3.png' in first.inner_text()
    assert '1.000' in first.inner_text()
    first.get_by_text('Compare').click()
    assert 'not calibrated' in page.inner_text('#pair-facts')
    page.click('#explain')
    assert 'Choose which camera' in page.inner_text('#pair .error')
    page.select_option('#pair-modality', 'visible')
    page.click('#explain')
    page.wait_for_selector('#pair-first canvas')
    page.click('#close')
    page.route(
        '**/v1/model',
        lambda route: route.fulfill(
            json={**route.fetch().json(), 'explains': False}
        ),
    )
    page.reload()
    search(page, photographs / 'cam1' / '3.png')
    page.locator('#matches li').first.get_by_text('Compare').click()
    assert 'is not available' in page.inner_text('#pair-status')
    assert not page.is_visible('#explain')
    page.close()


def test_filter(page, photographs):
    page.click('#filter summary')
    page.fill('#camera', 'cam0')
    search(page, photographs / 'cam1' / '3.png')
    texts = page.locator('#matches li').all_inner_texts()
    assert len(texts) == 4 and all('camera cam0' in text for text in texts)
    # 2001-09-09 01:46:40 UTC and a minute a picture: by the local clock.
    start = page.evaluate(
        """() => { const at = new Date(1e12 + 90e3);
          return new Date(at - 60e3 * at.getTimezoneOffset())
            .toISOString().slice(0, 16); }"""
    )
    page.fill('#start', start)
    search(page, photographs / 'cam1' / '3.png')
    assert page.locator('#matches li').count() == 2
    page.fill('#person', 'nobody')
    search(page, photographs / 'cam1' / '3.png')
    assert 'Nobody in the gallery fits' in page.inner_text('#status')


def test_a_hostile_file_is_answered_in_words(page, tmp_path):
    path = tmp_path / '<img src=x onerror=alert(1)>.png'
    path.write_bytes(b'<script>alert(1)</script>')
    search(page, path)
    assert 'cannot be decoded' in page.inner_text('#error')
    assert page.locator('#error img').count() == 0


def add(page, path, person=''):
    page.set_input_files('#add-files', path)
    page.select_option('#add-modality', 'visible')
    page.fill('#add-person', person)
    page.click('#add button')


def test_people_are_added_replaced_and_deleted(page, photographs, tmp_path):
    path = tmp_path / '<b>bold<b>.png'
    shutil.copy(photographs / 'cam0' / '0.png', path)
    asked = []
    answers = iter(['dismiss', 'accept', 'accept', 'accept'])

    def answer(dialog):
        asked.append(dialog.message)
        getattr(dialog, next(answers))()

    page.on('dialog', answer)
    add(page, path, 'ann')
    page.wait_for_selector('text=8 pictures')
    row = page.locator('#persons li', has_text='<b>bold<b>.png')
    assert row.count() == 1 and row.locator('b').count() == 0
    # Not without being asked.
    add(page, path, 'bob')
    page.wait_for_selector('#manage .error:not([hidden])')
    assert 'already' in asked[0] and 'ann' in row.inner_text()
    page.click('#add button')
    page.locator('#persons li', has_text='person bob').wait_for()
    with page.expect_file_chooser() as chooser:
        row.get_by_text('Replace').click()
    chooser.value.set_files(photographs / 'cam1' / '5.png')
    page.wait_for_selector('[aria-label^="Replace <b>"]:not([disabled])')
    search(page, photographs / 'cam1' / '5.png')
    texts = page.locator('#matches li').all_inner_texts()
    assert any('1.000' in t and 'person bob' in t for t in texts)
    page.fill('#show-person', 'bob')
    page.click('#show button')
    page.wait_for_selector('text=1 pictures fit')
    page.click('text=Delete all pictures of bob')
    page.wait_for_selector('text=0 pictures fit')
    assert asked[3] == 'Delete all pictures of bob for good?'
    assert not page.is_visible('#delete-person')
    page.fill('#show-person', '')
    page.click('#show button')
    page.wait_for_selector('text=7 pictures')


def test_deleting_is_asked_for_and_two_tabs_agree(
    page, browser, address, photographs
):
    other = opened(browser, address)
    answers = iter(['dismiss', 'accept'])
    page.on('dialog', lambda dialog: getattr(dialog, next(answers))())
    row = page.locator('#persons li', has_text='cam0/2.png')
    row.get_by_text('Delete').click()
    assert row.count() == 1
    row.get_by_text('Delete').click()
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
    page.wait_for_selector('#go:not([disabled])')
    assert page.evaluate('document.activeElement.id') == 'results'
    # On to the first match, and into the comparison.
    page.keyboard.press('Tab')
    page.keyboard.press('Enter')
    page.wait_for_selector('dialog[open]')
    inside = page.evaluate(
        'document.querySelector("dialog").contains(document.activeElement)'
    )
    assert inside


def test_a_token_is_asked_for(browser, embedder, photographs, tmp_path):
    read, write = 'r' * 20, 'w' * 20
    with serving(
        embedder,
        tmp_path / 'people.db',
        photographs,
        lambda paths: None,
        read_token=read,
        write_token=write,
    ) as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector('#token-form:not([hidden])')
        assert 'a token is needed' in page.inner_text('#error')
        for token, may_add in ((read, False), (write, True)):
            page.fill('#token', token)
            page.click('#token-form button')
            page.wait_for_selector('#persons li')
            assert page.is_visible('#add') == may_add
            search(page, photographs / 'cam1' / '1.png')
            assert page.locator('#matches img').count() == 7
            # Kept by this tab alone, and asked for anew when it is wrong.
            page.evaluate("sessionStorage.setItem('token', 'x')")
            page.reload()
            page.wait_for_selector('#token-form:not([hidden])')
        page.close()


@pytest.mark.slow
def test_the_interface_is_described(browser, address):
    page = browser.new_page(viewport=dict(width=380, height=900))
    hosts = set()
    page.on('request', lambda request: hosts.add(request.url.split('/')[2]))
    page.goto(f'{address}/docs')
    page.wait_for_selector('text=DELETE /v1/persons')
    text = page.inner_text('#calls')
    assert 'visible or infrared' in text and 'cosine, -1 to 1' in text
    assert hosts == {address.split('/')[2]}
    nothing_hangs_out(page)
    accessible(page)
    page.close()
