"""A service in a process of its own, and many clients of it."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

import mmgl
from mmgl.datasets.synthetic import Difficulty, get_preset, sysu_image

Call = tuple[str, str, bytes]  # method, path, body
BOUNDARY = 'mmgl-boundary'
TIMEOUT = 120.0
# A crowded machine takes minutes to import torch.
START = 600.0
CONFIG = 'finetune/agw_r18-narrow_synthetic'


def make_bundle(folder: Path) -> Path:
    """Publish random weights of a small AGW."""
    import torch

    from mmgl.apis.publishing import publish

    torch.manual_seed(0)
    cfg = mmgl.get_config(CONFIG)
    checkpoint = folder / 'run' / 'epoch_1.pth'
    checkpoint.parent.mkdir()
    state = mmgl.build_model(cfg).state_dict()
    meta = dict(cfg=cfg.pretty_text)
    torch.save(dict(state_dict=state, meta=meta), checkpoint)
    publish(checkpoint, folder / 'bundle', 'drawn people, free')
    return folder / 'bundle'


def draw_images(count: int) -> list[bytes]:
    """Draw people as JPEG files."""
    preset = get_preset('sysu', 'mini')
    images = []
    for person in range(1, count + 1):
        image = sysu_image(5, person, 1, 1, preset, Difficulty())
        images.append(cv2.imencode('.jpg', image)[1].tobytes())
    return images


@dataclass
class Served:
    """A running service."""

    port: int
    process: subprocess.Popen[bytes]

    def memory(self) -> float:
        """Tell what the process holds, in MiB."""
        for line in Path(f'/proc/{self.process.pid}/status').open():
            if line.startswith('VmRSS'):
                return int(line.split()[1]) / 1024
        return float('nan')

    def seconds(self) -> float:
        """Tell the processor time that the process has had."""
        stat = Path(f'/proc/{self.process.pid}/stat').read_text()
        ticks = stat.rpartition(')')[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf('SC_CLK_TCK')


@contextmanager
def served(bundle: Path, gallery: Path, log: Path) -> Iterator[Served]:
    """Run ``mmgl serve`` until the end of the block."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    command = [sys.executable, '-m', 'mmgl.cli', 'serve']
    command += ['--weights', str(bundle), '--gallery', str(gallery)]
    root = str(Path(__file__).resolve().parents[1])
    with log.open('ab') as file:
        process = subprocess.Popen(
            [*command, '--port', str(port)],
            stdout=file,
            stderr=file,
            env={**os.environ, 'PYTHONPATH': root},
        )
    service = Served(port, process)
    try:
        end = time.monotonic() + START
        while ask(service, ('GET', '/ready', b''))[0] != 200:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f'the service did not start, see {log}')
            time.sleep(0.2)
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT)


def ask(service: Served, call: Call) -> tuple[int, bytes]:
    """Call once; status 0 if there is no answer."""
    connection = http.client.HTTPConnection('127.0.0.1', service.port, TIMEOUT)
    try:
        return send(connection, call)
    finally:
        connection.close()


def send(
    connection: http.client.HTTPConnection, call: Call
) -> tuple[int, bytes]:
    """Call over a connection that stays open."""
    method, path, body = call
    kind = f'multipart/form-data; boundary={BOUNDARY}'
    headers = {'Content-Type': kind} if body else {}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0, b''


def form(files: list[tuple[str, bytes]], **fields: str) -> bytes:
    """Write a multipart form."""
    parts = [(f'"{name}"', text.encode()) for name, text in fields.items()]
    parts += [(f'"{name}"; filename="x"', data) for name, data in files]
    body = b''
    for name, data in parts:
        head = f'Content-Disposition: form-data; name={name}\r\n\r\n'
        body += f'--{BOUNDARY}\r\n{head}'.encode() + data + b'\r\n'
    return body + f'--{BOUNDARY}--\r\n'.encode()


def embed_call(image: bytes) -> Call:
    """Ask for the feature of an image."""
    body = form([('images', image)], modality='visible')
    return 'POST', '/v1/embed', body


def search_call(image: bytes, modality: str = 'visible') -> Call:
    """Ask for those who look like an image."""
    return 'POST', '/v1/search', form([('image', image)], modality=modality)


def add_call(image: bytes, name: str) -> Call:
    """Ask to add an image."""
    data = dict(names=name, modality='visible', time='1', camera='1')
    return 'POST', '/v1/persons', form([('images', image)], **data)


def garbage(image: bytes, rng: random.Random) -> Call:
    """Ask for something that no client should."""
    wrong = search_call(image, 'x-ray')
    return rng.choice(
        [
            wrong,
            search_call(b''),
            search_call(rng.randbytes(3000)),
            search_call(image[: len(image) // 2]),
            embed_call(image + b'--' + BOUNDARY.encode()[:4])[:2]
            + (wrong[2][: len(wrong[2]) // 2],),
            ('POST', '/v1/persons', form([('images', image)] * 65)),
            ('DELETE', '/v1/persons?older_than=nan', b''),
            ('GET', f'/v1/image?name={rng.randrange(10**9)}%00', b''),
            ('GET', f'/{rng.randrange(10**9)}', b''),
            ('POST', '/v1/explain', rng.randbytes(500)),
        ]
    )


@dataclass
class Outcome:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: Counter[int] = field(default_factory=Counter)
    stored: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    processor: float = 0.0

    def work(self) -> float:
        """Processor time of the service for a request, in milliseconds."""
        return 1e3 * self.processor / len(self.seconds)

    def quantile(self, share: float) -> float:
        """Time of an answer in milliseconds."""
        return 1e3 * float(np.quantile(self.seconds, share))


def run_clients(
    service: Served,
    clients: int,
    requests: int,
    calls: Callable[[int, random.Random], tuple[Call, str | None, bool]],
    stop: Callable[[Outcome], bool] = lambda _: False,
) -> Outcome:
    """Ask what ``calls`` gives: a call, its name to store, if garbage."""
    outcome, numbers = Outcome(), iter(range(requests))
    lock = threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection(
            '127.0.0.1', service.port, timeout=TIMEOUT
        )
        while True:
            with lock:
                number = next(numbers, None)
                if number is None or stop(outcome):
                    break
                if number % max(1, requests // 20) == 0:
                    outcome.memory.append(service.memory())
            call, name, bad = calls(number, random.Random(number))
            start = time.perf_counter()
            status, _ = send(connection, call)
            taken = time.perf_counter() - start
            with lock:
                (outcome.broken if bad else outcome.statuses)[status] += 1
                outcome.seconds.append(taken)
                if name is not None and status == 200:
                    outcome.stored.append(name)
        connection.close()

    before = service.seconds()
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if service.process.poll() is None:
        outcome.processor = service.seconds() - before
    return outcome


def stored_names(service: Served) -> set[str]:
    """List the names of the gallery."""
    names: set[str] = set()
    while True:
        path = f'/v1/persons?limit=1000&offset={len(names)}'
        page = json.loads(ask(service, ('GET', path, b''))[1])
        names |= {one['name'] for one in page['persons']}
        if len(names) >= page['count'] or not page['persons']:
            return names
