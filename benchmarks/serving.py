"""Benchmark of the service: times of answers, load, garbage, restarts.

Everything on the loopback, with random weights of a small AGW (ResNet-18 of
half width, 96 x 48 pixels) and drawn people. ``--requests`` is for each of the
two loads; ``--only`` leaves parts out.
"""

import argparse
import itertools
import random
import signal
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import serving_client as client

from mmgl.utils.benchmark import Figure, report

CLIENTS = (1, 8, 32)
PARTS = ('latency', 'load', 'garbage', 'restart')
# Full is said by these, and is no error.
FULL = {429, 503}
GROWTH = 1.05
IMAGES = 24


@dataclass
class Traffic:
    """A mixture of calls: searches, features, new people, lists."""

    images: list[bytes]
    prefix: str
    bad: int = 0

    def __call__(
        self, number: int, rng: random.Random
    ) -> tuple[client.Call, str | None, bool]:
        """Make a call; every ``bad``-th is garbage."""
        image = rng.choice(self.images)
        if self.bad and number % self.bad == 0:
            return client.garbage(image, rng), None, True
        kind = rng.random()
        if kind < 0.1:
            name = f'{self.prefix}-{number}'
            return client.add_call(image, name), name, False
        if kind < 0.3:
            return client.embed_call(image), None, False
        if kind < 0.35:
            path = f'/v1/persons?offset={rng.randrange(100)}&limit=50'
            return ('GET', path, b''), None, False
        return client.search_call(image), None, False


def load(
    service: client.Served, requests: int, traffic: Traffic
) -> client.Outcome:
    """Put a load on a service that is warm."""
    client.run_clients(
        service, 8, min(requests, 200), Traffic(traffic.images, 'warm')
    )
    return client.run_clients(service, 32, requests, traffic)


def judge(name: str, found: client.Outcome) -> Iterator[Figure]:
    """Tell errors, times and memory of a load."""
    refused = {*range(400, 500), *FULL}
    wrong = sum(n for s, n in found.statuses.items() if s not in {200, *FULL})
    wrong += sum(n for s, n in found.broken.items() if s not in refused)
    said = f'{dict(found.statuses)}, of garbage {dict(found.broken)}'
    yield Figure(f'{name}, errors', wrong, 0, 'requests', note=said)
    for share in (0.5, 0.95, 0.99):
        figure = found.quantile(share)
        yield Figure(f'{name}, p{100 * share:.0f}', figure, unit='ms')
    yield Figure(f'{name}, processor time a request', found.work(), unit='ms')
    half = found.memory[len(found.memory) // 2]
    growth = found.memory[-1] / half
    note = f'{half:.0f} to {found.memory[-1]:.0f} MiB'
    yield Figure(f'{name}, memory, second half', growth, GROWTH, note=note)


def restart(
    bundle: Path, folder: Path, images: list[bytes], number: int, requests: int
) -> Figure:
    """Stop a service that takes in people; look for them afterwards."""
    gallery, log = folder / f'{number}.db', folder / 'service.log'

    def calls(
        count: int, rng: random.Random
    ) -> tuple[client.Call, str | None, bool]:
        name = f'{number}-{count}'
        return client.add_call(rng.choice(images), name), name, False

    sent: list[int] = []

    def stop(found: client.Outcome) -> bool:
        if not sent and len(found.stored) >= requests // 4:
            sent.append(number)
            service.process.send_signal(number)
        return found.statuses[0] > 0

    with client.served(bundle, gallery, log) as service:
        found = client.run_clients(service, 8, requests, calls, stop)
        service.process.wait(60)
    with client.served(bundle, gallery, log) as service:
        lost = set(found.stored) - client.stored_names(service)
    name = f'{signal.Signals(number).name}, acknowledged and lost'
    note = f'of {len(found.stored)}; {dict(found.statuses)}'
    return Figure(name, len(lost), 0, 'people', note=note)


def measure(
    options: argparse.Namespace, folder: Path
) -> Iterator[Figure | None]:
    """Yield all figures."""
    bundle, images = client.make_bundle(folder), client.draw_images(IMAGES)
    where = bundle, folder / 'people.db', folder / 'service.log'
    with client.served(*where) as service:
        if 'latency' in options.only:
            load(service, 100, Traffic(images, 'first'))
            kinds = dict(embed=client.embed_call, search=client.search_call)
            for kind, clients in itertools.product(kinds, CLIENTS):

                def calls(
                    number: int, rng: random.Random, kind: str = kind
                ) -> tuple[client.Call, None, bool]:
                    return kinds[kind](rng.choice(images)), None, False

                most = min(options.requests, 100 * clients)
                found = client.run_clients(service, clients, most, calls)
                note = f'{found.work():.1f} ms of processor time a request'
                for share in (0.5, 0.95):
                    name = f'{kind}, {clients} clients, p{100 * share:.0f}'
                    figure = found.quantile(share)
                    yield Figure(name, figure, unit='ms', note=note)
        for part, bad in (('load', 0), ('garbage', 5)):
            if part in options.only:
                traffic = Traffic(images, part, bad)
                yield from judge(
                    part, load(service, options.requests, traffic)
                )
    if 'restart' in options.only:
        for number in (signal.SIGTERM, signal.SIGKILL):
            yield restart(bundle, folder, images, number, options.requests)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--requests', type=int, default=10_000)
    add('--only', nargs='+', choices=PARTS, default=PARTS)
    add('--out', metavar='FILE', help='JSON file to write')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, object]:
    """Measure, print and return the figures."""
    options = parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        return report(
            f'Service, {options.requests} requests a load',
            measure(options, Path(folder)),
            options.out,
        )


if __name__ == '__main__':
    main()
