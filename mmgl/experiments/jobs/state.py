"""What is on disk: finished stages, half-finished ones, and the lock."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmgl.utils.files import replace_whole

from .stage import Stage

STATE_FILE = 'stage.json'


def write_json(path: Path, value) -> None:
    """Write JSON so that a reader sees the old or the new file, whole.

    Args:
        path: Target; its folder is made.
        value: What to write.
    """
    with replace_whole(path) as partial:
        partial.write_text(
            json.dumps(value, indent=2, sort_keys=True, default=str) + '\n'
        )


def read_json(path: Path) -> dict | None:
    """Read a JSON object.

    Args:
        path: The file.

    Returns:
        The object, or None if the file is missing or damaged.
    """
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return value if isinstance(value, dict) else None


def _plain(value):
    return json.loads(json.dumps(value, sort_keys=True, default=str))


def _flatten(node, prefix: str = '') -> dict:
    if isinstance(node, dict) and node:
        out = {}
        for key, value in node.items():
            out.update(_flatten(value, f'{prefix}{key}.'))
        return out
    return {prefix[:-1]: node}


def changes(old: dict, new: dict, limit: int = 5) -> list[str]:
    """Name what differs between two sets of ingredients.

    Args:
        old: Ingredients of the stage on disk.
        new: Ingredients now.
        limit: Most differences to name.

    Returns:
        Lines like 'train_cfg.max_epochs: 30 -> 40'.
    """
    old, new = _flatten(_plain(old)), _flatten(_plain(new))
    lines = []
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            name = key.removeprefix('config.')
            before, after = (
                str(part.get(key, '(absent)'))[:60] for part in (old, new)
            )
            lines.append(f'{name}: {before} -> {after}')
    more = len(lines) - limit
    return lines[:limit] + ([f'and {more} more'] if more > 0 else [])


class StageState:
    """State of one stage in ``stage.json`` of its folder.

    Args:
        stage: The stage.

    Attributes:
        saved (dict | None): What is on disk.
        seconds (float): Duration so far, over all starts.
        threads (list[int]): Threads of torch, over all starts: another
            number rounds otherwise.
    """

    def __init__(self, stage: Stage):
        self.stage = stage
        self.path = stage.work_dir / STATE_FILE
        self.saved = read_json(self.path)
        self.seconds = 0.0
        self.threads: list[int] = []

    @property
    def matches(self) -> bool:
        """Whether what is on disk was made from the same ingredients."""
        return bool(self.saved) and (
            self.saved.get('fingerprint') == self.stage.fingerprint
        )

    @property
    def done(self) -> bool:
        """Whether the stage is finished and its results still exist."""
        return (
            self.matches
            and self.saved.get('state') == 'done'
            and all(path.exists() for path in self.stage.outputs)
        )

    @property
    def verdict(self) -> str | None:
        """Why the training of this stage diverged, if it did."""
        if self.matches and self.saved.get('state') == 'diverged':
            return self.saved['verdict']
        return None

    @property
    def spent(self) -> float | None:
        """Seconds of the unfinished run that goes on, None without one."""
        if self.matches and self.saved.get('state') == 'running':
            return float(self.saved.get('seconds', 0))
        return None

    def why_restart(self) -> str | None:
        """Say why the folder on disk cannot be continued.

        Returns:
            A sentence, or None if it can (or if there is none).
        """
        if not self.saved or self.matches:
            return None
        lines = changes(
            self.saved.get('ingredients', {}), self.stage.ingredients
        )
        reason = '; '.join(lines) or 'an earlier stage is a different one'
        return (
            f'{self.stage.name}: made by another configuration '
            f'({reason}); starting it again.'
        )

    def claim(self) -> bool:
        """Make the folder ready to run: continue it or begin again.

        Returns:
            Whether an unfinished run is continued.

        Raises:
            ValueError: If the folder holds files of something else.
        """
        folder = self.stage.work_dir
        before: list[int] = []
        if self.matches:
            if self.saved.get('state') == 'done':
                # Done, yet a result is gone: the rest may be incomplete too.
                self._clear()
            else:
                self.seconds = float(self.saved.get('seconds', 0))
                before = self.saved.get('threads', [])
        elif self.saved:
            self._clear()
        elif folder.is_dir() and any(folder.iterdir()):
            raise ValueError(
                f'{folder} holds files that no job has written; move '
                'them away or choose another --work-dir.'
            )
        resumed = folder.is_dir()
        self.threads = sorted({*before, self.stage.threads})
        self.save('running')
        return resumed

    def _clear(self) -> None:
        shutil.rmtree(self.stage.work_dir)

    def save(self, state: str, verdict: str | None = None) -> None:
        """Write the state.

        Args:
            state: 'running', 'done' or 'diverged'.
            verdict: Why it diverged.
        """
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

    Stages inherit the open file, so a stage that outlived a killed job
    still holds the lock until it has ended.

    Args:
        work_dir: Folder of the job.
        patience: Seconds to wait for a holder that is just ending.

    Yields:
        The file descriptor to pass on to stages.

    Raises:
        RuntimeError: If another job works in the folder.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    path = work_dir / '.lock'
    with path.open('a+') as file:
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
