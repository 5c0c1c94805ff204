"""A cell: one fine-tuned and evaluated model."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from .methods import METHODS
from .pretrainings import TITLES

# What cells of a row share: method, initial weights, data set.
Run = tuple[str, str | None, str]


@dataclass(frozen=True)
class Cell:
    """One fine-tuned and evaluated model.

    ``init`` is 'random', 'imagenet' or a key of ``PRETRAININGS``, ``seed``
    that of pre-training and fine-tuning; the others are keys of ``SCALES``,
    ``METHODS`` and ``DATASETS``, and a trial where the data set has trials.
    """

    scale: str
    method: str
    init: str
    seed: int
    data: str = 'sysu'
    trial: int | None = None

    @property
    def run(self) -> Run:
        """What it shares with the other cells of its row."""
        return self.method, self.init, self.data

    @property
    def name(self) -> str:
        """Name of its record, without the ending."""
        data = '' if self.data == 'sysu' else f'_{self.data}'
        trial = '' if self.trial is None else f'_trial{self.trial}'
        return f'{self.method}_{self.init}{data}{trial}_seed{self.seed}'

    @property
    def title(self) -> str:
        """What people read."""
        text = f'{METHODS[self.method].title} from {TITLES[self.init]}'
        text += '' if self.data == 'sysu' else f' on {self.data}'
        return text + (f', trial {self.trial}' if self.trial else '')

    def to_dict(self) -> dict[str, Any]:
        """Return what identifies it; what is as usual is left out."""
        usual = {field.name: field.default for field in fields(self)}
        return {k: v for k, v in asdict(self).items() if v != usual[k]}


def find_config(root: Path, method: str, ending: str) -> str:
    """Find the one config of a method on a data set, relative to the root."""
    name = METHODS[method].configs or f'{method}_r*'
    pattern = f'configs/mmgl/finetune/{name}_{ending}.py'
    found = sorted(root.glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(
            f'{root / pattern} matches {len(found)} configs instead of one'
        )
    return str(found[0].relative_to(root))
