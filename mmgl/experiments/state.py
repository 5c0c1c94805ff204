"""What is on disk: finished stages, half-finished ones, and the lock."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from mmgl.utils import files
from mmgl.utils.errors import ConfigError
from mmgl.utils.files import check_output_folder
from mmgl.utils.locks import LOCK, locked_folder

from .stage import Stage

# They mark the folders of stages and of whole jobs.
STAGE, JOB = 'stage.json', 'job.json'
# What is compared with earlier files, in the same order always.
write_json = partial(files.write_json, sort_keys=True, default=str)
# A stage that outlived a killed job still holds the lock, which it inherits.
locked = partial(locked_folder, patience=20.0, inherited=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None if the file is missing or damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _flatten(node: Any, prefix: str = '') -> dict[str, Any]:
    if not isinstance(node, dict) or not node:
        return {prefix[:-1]: node}
    out = {}
    for key, value in node.items():
        out.update(_flatten(value, f'{prefix}{key}.'))
    return out


def changes(
    old: dict[str, Any], new: dict[str, Any], limit: int = 5
) -> list[str]:
    """Name what differs, in lines like 'train_cfg.max_epochs: 30 -> 40'."""
    # As both are after a way through a file.
    before, after = (
        _flatten(json.loads(json.dumps(part, default=str)))
        for part in (old, new)
    )
    lines = []
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            first, second = (
                str(side.get(key, '(absent)'))[:60] for side in (before, after)
            )
            lines.append(f'{key.removeprefix("config.")}: {first} -> {second}')
    more = len(lines) - limit
    return lines[:limit] + ([f'and {more} more'] if more > 0 else [])


def _read_state(path: Path) -> dict[str, Any]:
    """Read the state of a stage; one that cannot be counts as none."""
    saved = read_json(path) or {}
    try:
        sound = 0 <= saved.get('seconds', 0) < inf
        sound &= sum(saved.get('threads', ())) >= 0
        sound &= isinstance(saved.get('ingredients', {}), dict)
    except TypeError:
        sound = False
    return saved if sound else {}


class StageState:
    """State of one stage, kept in ``stage.json`` of its folder.

    ``saved`` is what is on disk, ``seconds`` the duration and ``threads``
    the numbers of torch's threads over all starts: another number rounds
    otherwise.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.path = stage.work_dir / STAGE
        self.saved = _read_state(self.path)
        self.seconds = 0.0
        self.threads: list[int] = []

    def _saved_as(self, state: str) -> bool:
        """Whether that state was reached from the same ingredients."""
        same = self.saved.get('fingerprint') == self.stage.fingerprint
        return same and self.saved.get('state') == state

    @property
    def done(self) -> bool:
        """Whether the stage is finished and its results still exist."""
        return self._saved_as('done') and not self.stage.missing

    @property
    def verdict(self) -> str | None:
        """Why the training of this stage diverged, if it did."""
        return self.saved['verdict'] if self._saved_as('diverged') else None

    @property
    def spent(self) -> float | None:
        """Seconds of the unfinished run that goes on, None without one."""
        running = self._saved_as('running')
        return float(self.saved.get('seconds', 0)) if running else None

    def claim(self) -> tuple[bool, str]:
        """Make the folder ready to run: continue it or begin again.

        What was made otherwise is kept beside it, under a dated name. Tells
        whether an unfinished run goes on, and why not if there was one. Files
        of something else are a ValueError.
        """
        folder, before, reason = self.stage.work_dir, [], ''
        if self.spent is not None:
            self.seconds = self.spent
            before = self.saved.get('threads', [])
        elif self.saved:
            reason = f'{self._why_anew()}; starting it again, what was there '
            reason += f'is kept as {self._set_aside()}.'
        elif _others(folder):
            raise ValueError(
                f'{folder} holds files that no job has written; move '
                'them away or choose another --work-dir.'
            )
        resumed = folder.is_dir()
        self.threads = sorted({*before, self.stage.threads})
        self.save('running')
        return resumed, reason

    def _why_anew(self) -> str:
        name, old = self.stage.name, self.saved.get('ingredients', {})
        # Done, yet a result is gone: the rest may be incomplete too.
        if self._saved_as('done'):
            return f'{name}: a result of it is gone'
        found = '; '.join(changes(old, self.stage.ingredients))
        found = found or 'an earlier stage is a different one'
        return f'{name}: made by another configuration ({found})'

    def _set_aside(self) -> Path:
        folder = self.stage.work_dir
        stem = f'{folder.name}.old-{time.strftime("%Y%m%d-%H%M%S")}'
        target, number = folder.with_name(stem), 1
        while target.exists():
            number += 1
            target = folder.with_name(f'{stem}-{number}')
        return folder.rename(target)

    def save(self, state: str, verdict: str | None = None) -> None:
        """Write 'running', 'done' or, with a verdict, 'diverged'."""
        content = {
            'state': state,
            'kind': self.stage.kind,
            'fingerprint': self.stage.fingerprint,
            'ingredients': self.stage.ingredients,
            'seconds': round(self.seconds, 2),
            'threads': self.threads,
            'verdict': verdict,
        }
        write_json(self.path, content)


def check_work_dir(
    work_dir: Path, job: str, stages: Sequence[Stage], data: Iterable[Path]
) -> None:
    """Refuse a folder in which a job would mix with what is not its own.

    ``job`` is the name of the job, ``data`` are folders of data sets. The
    ConfigError says what the folder is instead.
    """
    check_output_folder(work_dir)
    marked, reason = read_json(work_dir / JOB), ''
    if marked is None:
        reason = _why_foreign(work_dir, stages)
    elif marked.get('job') != job:
        reason = f'is that of {marked.get("job")}'
    for folder in data:
        if work_dir.is_relative_to(folder):
            reason = f'lies in {folder}, which is for a data set'
        if any(folder.is_relative_to(stage.work_dir) for stage in stages):
            reason = f'has a data set in {folder}, which is for a stage'
    if reason:
        raise ConfigError(
            f'The work dir {work_dir} {reason}; choose another --work-dir.'
        )


def _why_foreign(work_dir: Path, stages: Sequence[Stage]) -> str:
    """Say why a folder without the mark of a job may not become one's."""
    for folder in work_dir.parents:
        if (folder / JOB).exists() or (folder / STAGE).exists():
            return f'lies in {folder}, the work dir of another job'
    # Before there was a mark, a job's folder had the lock at least.
    if any(work_dir.glob(f'*/{STAGE}')) or (
        (work_dir / LOCK).exists() and any(work_dir.glob(f'*/*/{STAGE}'))
    ):
        return ''
    ours = {stage.name.split('/')[0] for stage in stages}
    found = _others(work_dir) - ours
    return f'holds {min(found)}, which no job has written' if found else ''


def _others(folder: Path) -> set[str]:
    """Name what is in a folder besides our marks."""
    there = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    # A kill may leave a mark half written, under a hidden name.
    marks = (LOCK, JOB, STAGE, f'.{JOB}.', f'.{STAGE}.')
    return {name for name in there if not name.startswith(marks)}


@contextmanager
def at_work(
    work_dir: Path, job: str, stages: Sequence[Stage], data: Iterable[Path]
) -> Iterator[int]:
    """Work alone in a folder that is the job's; gives the lock to inherit.

    A BusyError names the process that works in it.
    """
    check_work_dir(work_dir, job, stages, data)
    with locked(work_dir) as lock:
        write_json(work_dir / JOB, {'job': job})
        yield lock
