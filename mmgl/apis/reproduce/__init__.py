"""The tables of the paper: which runs they need, running them, writing them.

A table is a set of cells; a cell is one fine-tuned and evaluated model. Each
finished cell leaves one small JSON file, from which the results document is
written, so results outlive checkpoints and anyone can add theirs.
"""

from .cells import TABLES, Cell, cells_of
from .document import write_document
from .driver import ReproduceOptions, reproduce
from .records import load_records

__all__ = [
    'Cell',
    'ReproduceOptions',
    'TABLES',
    'cells_of',
    'load_records',
    'reproduce',
    'write_document',
]
