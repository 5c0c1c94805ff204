"""The cells of each table: method, initial weights, data set, seed."""

from dataclasses import dataclass
from pathlib import Path

INITS = {'random': 'random', 'imagenet': 'ImageNet', 'mmgl': 'MMGL'}


@dataclass(frozen=True)
class Method:
    """A method of fine-tuning.

    Attributes:
        title: Its name in the paper.
        stream: Backbone that is pre-trained for it: 'one-stream' or
            'two-stream'.
    """

    title: str
    stream: str


METHODS = {
    'one-stream': Method('One-Stream', 'one-stream'),
    'agw': Method('AGW', 'two-stream'),
    'ddag': Method('DDAG', 'two-stream'),
    'nfs': Method('NFS', 'two-stream'),
    'caj': Method('CAJ', 'two-stream'),
    'mutual-info': Method('MutualInfo', 'one-stream'),
    'mpanet': Method('MPANet', 'one-stream'),
}


@dataclass(frozen=True)
class Scale:
    """How large the runs are.

    Attributes:
        dataset: Ending of the configs.
        inits: Initial weights within reach.
        seeds: Seeds where the user does not say.
        preset: Size of the embedded data set, None for a real one.
        seconds: Expected seconds of each kind of stage; they weigh the
            stages in the remaining time until some have been measured.
    """

    dataset: str
    inits: tuple[str, ...]
    seeds: int
    preset: str | None
    seconds: tuple[tuple[str, float], ...]


SCALES = {
    # No ImageNet weights fit the narrow network.
    'mini':
    Scale('synthetic', ('random', 'mmgl'), 3, 'mini',
          (('data', 30), ('pretrain', 900), ('finetune', 130),
           ('evaluate', 20))),
    'full':
    Scale('sysu', ('random', 'imagenet', 'mmgl'), 1, None,
          (('pretrain', 20000), ('finetune', 20000), ('evaluate', 300))),
}


@dataclass(frozen=True)
class Cell:
    """One fine-tuned and evaluated model.

    Attributes:
        scale: Key of ``SCALES``.
        method: Key of ``METHODS``.
        init: Key of ``INITS``.
        seed: Seed of pre-training and fine-tuning.
    """

    scale: str
    method: str
    init: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its record, without the ending."""
        return f'{self.method}_{self.init}_seed{self.seed}'

    @property
    def title(self) -> str:
        """What people read."""
        return f'{METHODS[self.method].title} from {INITS[self.init]}'


def _table2(scale: str, seeds: int) -> list[Cell]:
    """Every method from every initialisation."""
    return [
        Cell(scale, method, init, seed) for seed in range(seeds)
        for method in METHODS for init in SCALES[scale].inits
    ]


TABLES = {'table2': _table2}


def cells_of(table: str, scale: str, seeds: int | None = None) -> list[Cell]:
    """List the cells of a table.

    Args:
        table: Key of ``TABLES``.
        scale: Key of ``SCALES``.
        seeds: Number of seeds, or None for that of the scale.

    Returns:
        The cells, those of seed 0 first.

    Raises:
        ValueError: For an unknown table or scale, or too few seeds.
    """
    if table not in TABLES or scale not in SCALES:
        raise ValueError(f'no table {table!r} at scale {scale!r}; choose of '
                         f'{", ".join(TABLES)} and {", ".join(SCALES)}')
    if seeds is not None and seeds < 1:
        raise ValueError(f'seeds must be at least 1, got {seeds}')
    return TABLES[table](scale, seeds or SCALES[scale].seeds)


def find_config(root: Path, folder: str, stem: str, dataset: str) -> str:
    """Find the config of a method on a data set.

    Args:
        root: Folder with ``configs``.
        folder: 'pretrain' or 'finetune'.
        stem: What its name begins with, up to the backbone.
        dataset: What its name ends with.

    Returns:
        Its path relative to the root.

    Raises:
        FileNotFoundError: Unless there is exactly one.
    """
    pattern = f'configs/mmgl/{folder}/{stem}_r*_{dataset}.py'
    found = sorted(root.glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(
            f'{root / pattern} matches {len(found)} configs instead of one')
    return str(found[0].relative_to(root))
