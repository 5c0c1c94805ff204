"""Runs of the paper's tables and figures, and the quickstart.

A table is a set of cells, a cell one fine-tuned and evaluated model, a job a
chain of stages, each a subprocess: one that is done is not run again, an
interrupted one goes on, and one whose ingredients have changed starts anew.
Each finished cell leaves one small JSON file, from which the results document
is written, so results outlive checkpoints and anyone can add theirs.
"""

from .cells import Cell
from .entrance import run
from .options import TARGETS, Options
from .tables import FIGURES, TABLES, cells_of

__all__ = [
    'Cell',
    'FIGURES',
    'Options',
    'TABLES',
    'TARGETS',
    'cells_of',
    'run',
]
