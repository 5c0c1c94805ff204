"""The whole job on embedded data: pre-train, fine-tune, evaluate, report."""

from .driver import run_quickstart
from .launch import StageError, launch_stage
from .options import SCALES, QuickstartOptions, Scale
from .stages import Stage, plan_stages

__all__ = [
    'SCALES',
    'QuickstartOptions',
    'Scale',
    'Stage',
    'StageError',
    'launch_stage',
    'plan_stages',
    'run_quickstart',
]
