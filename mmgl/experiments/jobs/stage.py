"""A stage of a job: what it runs and what it depends on."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mmgl.utils.errors import ConfigError


@dataclass
class Stage:
    """One subprocess of a larger job.

    Attributes:
        name: Unique name, also the folder below the work dir.
        title: What people read.
        kind: 'data', 'pretrain', 'finetune', 'evaluate' or 'figure'.
        work_dir: Folder of its log, state and results.
        ingredients: Everything that its result depends on, as plain JSON.
        needs: Stages that must be done before.
        command: Builds the command line once these are done.
        outputs: Files that exist after it is done.
        seconds: Expected duration.
        config: Path of its config, or None.
        seed: Seed of the repetition, or None.
        env: Environment variables of its own.
    """

    name: str
    title: str
    kind: str
    work_dir: Path
    ingredients: dict
    needs: list['Stage'] = field(default_factory=list)
    command: list = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)
    seconds: float = 1.0
    config: str | None = None
    seed: int | None = None
    env: dict = field(default_factory=dict)

    @property
    def pace(self) -> tuple[str, str | None]:
        """What stages share that take about the same time."""
        return self.kind, self.config

    @property
    def threads(self) -> int:
        """Threads of torch on the CPU: its own, ours, or one a core.

        Raises:
            ConfigError: ``OMP_NUM_THREADS`` holds no number.
        """
        key = 'OMP_NUM_THREADS'
        given = self.env.get(key) or os.environ.get(key) or os.cpu_count()
        # A list is one number for each level of nesting.
        first = str(given or 1).split(',')[0].strip()
        if not first.isdecimal() or int(first) < 1:
            raise ConfigError(
                f'The environment variable {key} is {given!r}; set it to a '
                'number of threads of at least 1, or unset it.'
            )
        return int(first)

    @property
    def fingerprint(self) -> str:
        """Hash of the ingredients and of those of the stages before."""
        text = json.dumps(
            [
                self.kind,
                self.ingredients,
                [need.fingerprint for need in self.needs],
            ],
            sort_keys=True,
            default=str,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def build_command(self) -> list[str]:
        """Resolve the command line; checkpoints are looked up only now.

        Returns:
            Arguments, starting with the Python interpreter.
        """
        return [
            str(part() if callable(part) else part) for part in self.command
        ]


def with_needs(last: Iterable[Stage]) -> list[Stage]:
    """List stages and all that they need, directly or not.

    Args:
        last: The stages that are wanted.

    Returns:
        These and all before them, each once and after those it needs.
    """
    ordered: dict[str, Stage] = {}

    def visit(stage: Stage) -> None:
        for need in stage.needs:
            visit(need)
        ordered.setdefault(stage.name, stage)

    for stage in last:
        visit(stage)
    return list(ordered.values())


def find_checkpoint(work_dir: Path) -> Path:
    """Find the checkpoint of the last epoch of a training.

    Args:
        work_dir: Work dir of the training.

    Returns:
        Its path.

    Raises:
        FileNotFoundError: If the training left none.
    """
    pointer = work_dir / 'last_checkpoint'
    if pointer.is_file():
        # Only the name counts, so that a work dir may be moved.
        path = work_dir / Path(pointer.read_text().strip()).name
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'No checkpoint in {work_dir} (looked for the file that '
        'last_checkpoint names); delete that folder and run again.'
    )
