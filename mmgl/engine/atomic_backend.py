"""File backend whose files are complete or not there."""

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmgl.utils.files import replace_whole


class AtomicLocalBackend(LocalBackend):  # type: ignore[misc]
    """Local files that a killed process cannot leave half-written.

    mmengine writes a checkpoint into its final name; SIGKILL in the middle
    leaves a broken file there, from which no run can be resumed. Use it by
    ``CheckpointHook(backend_args=dict(backend='atomic'))``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file, whose folder is made if missing."""
        with replace_whole(filepath) as partial, partial.open('wb') as file:
            file.write(obj)
            file.flush()
            os.fsync(file.fileno())

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Write text to a file."""
        self.put(obj.encode(encoding), filepath)


register_backend('atomic', AtomicLocalBackend, force=True)
