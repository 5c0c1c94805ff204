"""Weight files that run code, do not fit or are damaged."""

import io
import os
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from .base import GOOD, OTHERS
from .cases import Try, anything, attack, damaged, pick, refused, same
from .child import CANARY
from .entrances import ENTRANCES, PARTIAL, PRUNED, READERS, REMOTE

WEIGHT = 'backbone.layer1.0.conv1.weight'


class Runs:
    """Runs a call where it is unpickled."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


def imported(folder: Path, canary: Path) -> object:
    """A class of a module that runs code where it is imported."""
    text = f'open({str(canary)!r}, "w").close()\nclass Thing: pass\n'
    (folder / 'evil.py').write_text(text)
    module = ModuleType('evil')
    module.Thing = type('Thing', (), dict(__module__='evil'))
    sys.modules['evil'] = module
    return module.Thing


PAYLOADS: dict[str, Callable[[Path, Path], object]] = {
    'os.system': lambda _, path: Runs(os.system, f'touch {path}'),
    'exec': lambda _, path: Runs(exec, f'open({str(path)!r}, "w").close()'),
    'eval': lambda _, path: Runs(eval, f'open({str(path)!r}, "w")'),
    'open': lambda _, path: Runs(open, str(path), 'w'),
    'Popen': lambda _, path: Runs(subprocess.Popen, ['touch', str(path)]),
    'import': imported,
}


def _placed(payload: object, content: dict, place: str) -> object:
    """Put a payload into a checkpoint."""
    if place == 'itself':
        return payload
    if place == 'weight':
        content['state_dict'][WEIGHT] = payload
    else:
        content[place] = dict(thing=payload)
    return content


PLACES = 'meta', 'optimizer', 'message_hub', 'weight', 'itself', 'state_dict'
FORMS = 'zip', 'legacy', 'pickle', 'tar'


def write(content: object, form: str, path: Path) -> None:
    """Write a file that torch.load knows, in one of its forms."""
    if form == 'pickle':
        path.write_bytes(pickle.dumps(content, 2))
    elif form == 'tar':
        with tarfile.open(path, 'w') as tar:
            for name in ('sys_info', 'storages', 'tensors', 'pickle'):
                data = pickle.dumps(content if name == 'pickle' else 0, 2)
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    else:
        zipped = form == 'zip'
        torch.save(content, path, _use_new_zipfile_serialization=zipped)


def good(base: Path, entrance: str) -> dict:
    """Read the checkpoint that an entrance takes, as its author."""
    path = base / OTHERS.get(entrance, GOOD)
    return torch.load(path, map_location='cpu', weights_only=False)


NAMES = list(ENTRANCES)


@attack('hostile checkpoint', short=7, long=len(NAMES) * 12, seconds=120)
def hostile(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Each entrance with the plainest form first, then any others."""
    entrance = NAMES[number % len(NAMES)]
    first = number < len(NAMES)
    payload = 'os.system' if first else pick(list(PAYLOADS), rng)
    place = 'meta' if first else pick(PLACES, rng)
    form = 'zip' if first else pick(FORMS, rng)
    if form == 'tar':
        place = 'itself'
    file = folder / 'evil.pth'
    thing = PAYLOADS[payload](folder, folder / CANARY)
    write(_placed(thing, good(base, entrance), place), form, file)
    sys.modules.pop('evil', None)
    # Placeholders may stand where no weights are.
    fine = anything if place in PLACES[:3] else refused
    what = f'{entrance}, {place}, {form}'
    return Try(what, lambda: ENTRANCES[entrance](base, file, folder), fine)


@attack('hostile type name', short=1, long=3)
def type_name(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """A pruned model names its class: it may not be any function."""
    calls = (
        dict(type='os.system', command=f'touch {folder / CANARY}'),
        dict(type='subprocess.Popen', args=['touch', str(folder / CANARY)]),
        dict(type='builtins.open', file=str(folder / CANARY), mode='w'),
    )
    file = folder / 'evil.pth'
    content = dict(model=calls[number], subsets={}, state_dict={})
    torch.save(content, file)
    run = ENTRANCES[PRUNED]
    return Try(f'{PRUNED}, type', lambda: run(base, file, folder))


@attack('good checkpoint', short=1, long=len(NAMES), seconds=120)
def unharmed(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Without this a refusal would say nothing."""
    entrance = NAMES[number]
    file = base / OTHERS.get(entrance, GOOD)
    run, must = ENTRANCES[entrance], entrance != REMOTE
    return Try(entrance, lambda: run(base, file, folder), anything, must)


def _with(change: Callable[[torch.Tensor], object]) -> Callable[[dict], None]:
    def apply(content: dict) -> None:
        state = content['state_dict']
        state[WEIGHT] = change(state[WEIGHT])

    return apply


def _renamed(content: dict) -> None:
    state = content['state_dict']
    state[f'{WEIGHT}s'] = state.pop(WEIGHT)


def _replaced(state: object) -> Callable[[dict], None]:
    return lambda content: content.update(state_dict=state)


MISFITS: dict[str, Callable[[dict], object]] = {
    'missing tensor': lambda content: content['state_dict'].pop(WEIGHT),
    'NaN': _with(lambda weight: weight * float('nan')),
    'renamed tensor': _renamed,
    'reshaped tensor': _with(lambda weight: weight[:1]),
    'transposed tensor': _with(lambda weight: weight.reshape(-1)),
    'integers': _with(lambda weight: weight.long()),
    'complex numbers': _with(lambda weight: weight.to(torch.complex64)),
    'infinite': _with(lambda weight: weight / 0),
    'string for a tensor': _with(str),
    'numbers for a tensor': _with(lambda weight: weight.tolist()),
    'no tensors': _replaced({}),
    'text': _replaced('weights'),
    'None': _replaced(None),
    'list': _replaced([1, 2]),
    'no state_dict': lambda content: content.pop('state_dict'),
    'numbers as names': _replaced({1: torch.zeros(1)}),
}
FITTED = [name for name in ENTRANCES if name not in PARTIAL]


@attack('misfit', short=4, long=len(FITTED) * len(MISFITS), seconds=120)
def misfit(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Weights that are not those of the model, at each entrance."""
    # All entrances come first with one kind, so that few tell something.
    entrance = FITTED[number % len(FITTED)]
    kind = list(MISFITS)[number // len(FITTED)]
    content, file = good(base, entrance), folder / 'misfit.pth'
    MISFITS[kind](content)
    torch.save(content, file)
    run = ENTRANCES[entrance]
    return Try(f'{entrance}, {kind}', lambda: run(base, file, folder))


@attack('damaged checkpoint', short=60, long=900, seconds=30)
def broken(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Bytes changed: all tensors are as they were, or it is refused."""
    way, data = damaged((base / GOOD).read_bytes(), rng)
    file = folder / 'broken.pth'
    file.write_bytes(data)
    entrance = READERS[number % len(READERS)]
    run = ENTRANCES[entrance]
    fine = same(_whole(base, entrance, folder))
    return Try(f'{entrance}, {way}', lambda: run(base, file, folder), fine)


_KNOWN_GOOD: dict[str, object] = {}


def _whole(base: Path, entrance: str, folder: Path) -> object:
    """What an entrance gives for the file that is not damaged."""
    if entrance not in _KNOWN_GOOD:
        value = ENTRANCES[entrance](base, base / GOOD, folder)
        _KNOWN_GOOD[entrance] = value
    return _KNOWN_GOOD[entrance]


@attack('damaged checkpoint, resumed', short=1, long=60, seconds=120)
def broken_run(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """A damaged file that a run would go on from."""
    way, data = damaged((base / GOOD).read_bytes(), rng)
    file = folder / 'broken.pth'
    file.write_bytes(data)
    entrance = ('train --resume', 'train load_from', 'test')[number % 3]
    run = ENTRANCES[entrance]
    # Bytes between the parts of an archive are nobody's.
    fine = anything if _same_tensors(file, base) else refused
    return Try(f'{entrance}, {way}', lambda: run(base, file, folder), fine)


def _same_tensors(file: Path, base: Path) -> bool:
    try:
        found = torch.load(file, map_location='cpu', weights_only=False)
        whole = torch.load(base / GOOD, map_location='cpu', weights_only=False)
        pairs = zip(
            found['state_dict'].values(),
            whole['state_dict'].values(),
            strict=True,
        )
        return all(torch.equal(one, other) for one, other in pairs)
    except Exception:
        return False
