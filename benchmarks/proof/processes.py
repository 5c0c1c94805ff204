"""Processes that end in time, with everything they started."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

GRACE = 3  # seconds between asking a process to end and killing it
TAIL_LINES = 15


class Running:
    """A process of its own session, both of whose streams go to a file."""

    def __init__(
        self, command: Sequence[str], log: Path, env: dict[str, str], cwd: Path
    ) -> None:
        self.log, self.started, self.ended = log, time.monotonic(), None
        with log.open('w') as stream:
            both = dict(stdout=stream, stderr=subprocess.STDOUT)
            how = dict(stdin=subprocess.DEVNULL, start_new_session=True)
            self.process = subprocess.Popen(
                list(command), env=env, cwd=cwd, **both, **how
            )
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Note the end, which may come long before anyone asks."""
        self.process.wait()
        self.ended = time.monotonic()

    @property
    def seconds(self) -> float:
        """From its start to its end, or to now."""
        return (self.ended or time.monotonic()) - self.started

    def finish(self, seconds: float) -> int | None:
        """Wait, end it if need be, and return its status; None after a cut."""
        try:
            return self.process.wait(max(0, seconds))
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE)
            return None
        finally:
            # What it has left behind, too; workers of a loader, say.
            self._signal(signal.SIGKILL)
            self.process.wait()

    def _signal(self, number: int) -> None:
        # It is an error if all of them have ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def tail(self) -> list[str]:
        """Return the last lines of the output."""
        lines = self.log.read_text(errors='replace').splitlines()
        return [line for line in lines if line.strip()][-TAIL_LINES:]
