"""What is on disk: finished stages, half-finished ones, and the lock."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmgl.utils.files import replace_whole

from .stage import Stage


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old or the new file, whole."""
    text = json.dumps(value, indent=2, sort_keys=True, default=str)
    with replace_whole(path) as partial:
        partial.write_text(text + '\n')


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None if the file is missing or damaged."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
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
    old, new = (
        _flatten(json.loads(json.dumps(part, default=str)))
        for part in (old, new)
    )
    lines = []
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            before, after = (
                str(part.get(key, '(absent)'))[:60] for part in (old, new)
            )
            lines.append(f'{key.removeprefix("config.")}: {before} -> {after}')
    more = len(lines) - limit
    return lines[:limit] + ([f'and {more} more'] if more > 0 else [])


class StageState:
    """State of one stage, kept in ``stage.json`` of its folder.

    ``saved`` is what is on disk, ``seconds`` the duration and ``threads``
    the numbers of torch's threads over all starts: another number rounds
    otherwise.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.path = stage.work_dir / 'stage.json'
        self.saved = read_json(self.path) or {}
        self.seconds = 0.0
        self.threads: list[int] = []

    def _saved_as(self, state: str) -> bool:
        """Whether that state was reached from the same ingredients."""
        return (
            self.saved.get('state') == state
            and self.saved.get('fingerprint') == self.stage.fingerprint
        )

    @property
    def done(self) -> bool:
        """Whether the stage is finished and its results still exist."""
        return self._saved_as('done') and all(
            path.exists() for path in self.stage.outputs
        )

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

        What was made otherwise is kept beside it, under a dated name.

        Returns:
            Whether an unfinished run goes on, and why not if there was one.

        Raises:
            ValueError: If the folder holds files of something else.
        """
        folder, before, reason = self.stage.work_dir, [], ''
        if self.spent is not None:
            self.seconds = self.spent
            before = self.saved.get('threads', [])
        elif self.saved:
            reason = f'{self._why_anew()}; starting it again, what was there '
            reason += f'is kept as {self._set_aside()}.'
        elif folder.is_dir() and any(folder.iterdir()):
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
        write_json(
            self.path,
            {
                'state': state,
                'kind': self.stage.kind,
                'fingerprint': self.stage.fingerprint,
                'ingredients': self.stage.ingredients,
                'seconds': round(self.seconds, 2),
                'threads': self.threads,
                'verdict': verdict,
            },
        )


@contextmanager
def locked(work_dir: Path, patience: float = 20.0) -> Iterator[int]:
    """Keep a second job out of the folder while one works in it.

    Yields the descriptor of the open file for stages to inherit, so that one
    that outlived a killed job still holds the lock; that is why it is the
    file and no library's lock. ``patience`` is for a holder just ending.

    Raises:
        RuntimeError: If another job works in the folder.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    with (work_dir / '.lock').open('a+') as file:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    file.seek(0)
                    raise RuntimeError(
                        f'Another job (process {file.read().strip()} '
                        f'or a stage of it) is at work in {work_dir}; wait '
                        'for it, stop it, or choose another --work-dir.'
                    ) from None
                time.sleep(0.2)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()
