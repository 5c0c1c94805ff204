"""The whole job on embedded data: pre-train, fine-tune, evaluate, report."""

from .driver import run_quickstart
from .options import SCALES, QuickstartOptions, Scale
from .stages import plan_stages

__all__ = [
    'SCALES',
    'QuickstartOptions',
    'Scale',
    'plan_stages',
    'run_quickstart',
]
