"""The tables and figures of the paper: planning, running, writing them.

A table is a set of cells; a cell is one fine-tuned and evaluated model. Each
finished cell leaves one small JSON file, from which the results document is
written, so results outlive checkpoints and anyone can add theirs.
"""

from .cells import Cell
from .document import write_document
from .driver import reproduce
from .figures import FIGURES
from .options import TARGETS, ReproduceOptions
from .records import load_records
from .tables import TABLES, cells_of

__all__ = [
    'Cell',
    'FIGURES',
    'ReproduceOptions',
    'TABLES',
    'TARGETS',
    'cells_of',
    'load_records',
    'reproduce',
    'write_document',
]
