"""A stage of a job: what it runs and what it depends on."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmgl.utils.errors import ConfigError

THREADS = 'OMP_NUM_THREADS'


@dataclass
class Stage:
    """One subprocess of a job.

    Its name, unique in the job, is that of its folder. ``kind`` is 'data',
    'pretrain', 'finetune', 'evaluate' or 'figure'; ``ingredients`` are all
    that its result depends on, as plain JSON; ``outputs`` exist when it is
    done; ``seconds`` is its expected duration. Parts of the command that are
    functions are called when the stage starts; ``config`` is empty for data
    and figures.
    """

    name: str
    title: str
    kind: str
    work_dir: Path
    ingredients: dict[str, Any]
    needs: list['Stage'] = field(default_factory=list)
    command: list[Any] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)
    seconds: float = 1.0
    config: Path = Path()
    seed: int | None = None
    env: dict[str, str] = field(default_factory=dict)

    @property
    def threads(self) -> int:
        """Threads of torch on the CPU: its own, ours, or one a core."""
        given = self.env.get(THREADS) or os.environ.get(THREADS)
        # A list is one number for each level of nesting.
        first = (given or str(os.cpu_count() or 1)).split(',')[0].strip()
        if not first.isdecimal() or int(first) < 1:
            raise ConfigError(
                f'The environment variable {THREADS} is {given!r}; set it to '
                'a number of threads of at least 1, or unset it.'
            )
        return int(first)

    @property
    def log(self) -> Path:
        """What it prints, over all its starts."""
        return self.work_dir / 'stage.log'

    @property
    def missing(self) -> list[str]:
        """Outputs that are not there."""
        return [str(path) for path in self.outputs if not path.exists()]

    @property
    def fingerprint(self) -> str:
        """Hash of the ingredients and of those of the stages before."""
        before = [need.fingerprint for need in self.needs]
        text = json.dumps(
            [self.kind, self.ingredients, before], sort_keys=True, default=str
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def build_command(self) -> list[str]:
        """Resolve the command line; checkpoints are looked up only now."""
        return [str(p() if callable(p) else p) for p in self.command]


def with_needs(last: Iterable[Stage]) -> list[Stage]:
    """List stages and all before them, each once and after those it needs."""
    ordered: dict[str, Stage] = {}

    def visit(stage: Stage) -> None:
        for need in stage.needs:
            visit(need)
        ordered.setdefault(stage.name, stage)

    for stage in last:
        visit(stage)
    return list(ordered.values())


def find_checkpoint(work_dir: Path) -> Path:
    """Find the checkpoint of the last epoch of a training."""
    pointer = work_dir / 'last_checkpoint'
    if pointer.is_file():
        # Only the name counts, so that a work dir may be moved.
        path = work_dir / Path(pointer.read_text().strip()).name
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'No checkpoint in {work_dir} (looked for the file that '
        'last_checkpoint names); move that folder away and run again.'
    )
