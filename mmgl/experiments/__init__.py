"""Runs of the paper's tables and figures, and the quickstart.

A table is a set of cells, a cell one fine-tuned and evaluated model, a job a
chain of stages, each a subprocess: one that is done is not run again, an
interrupted one goes on, and one whose ingredients have changed starts anew.
Each finished cell leaves one small JSON file, from which the results document
is written, so results outlive checkpoints and anyone can add theirs.

To be read in this order:

1. what there is: ``methods``, ``pretrainings``, ``cells``, ``tables``;
2. what to make of it: ``options``, ``stage``, ``settings``, ``plan``,
   ``figures``, ``checks`` of real data;
3. how it is run: ``state`` on disk, ``launch`` of one stage, ``progress``,
   ``chain`` of all;
4. what comes out: ``records``, ``summary`` of tables, ``findings``,
   ``document``, ``quickstart`` with ``pictures``;
5. the way in: ``driver`` and ``commands``; and ``demo``.
"""

from .cells import Cell
from .commands import run
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
