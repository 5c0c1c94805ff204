"""Jobs made of stages: subprocesses that depend on one another.

A stage that is done is not run again, an interrupted one goes on, and one
whose ingredients have changed starts anew. The quickstart and the planner of
the paper's tables are such jobs.
"""

from .chain import Chain, StageRunner, terminate_like_interrupt
from .display import Display, clock
from .factory import StageFactory, find_key, read_config
from .launch import StageDiverged, StageError, Tick, launch_stage
from .stage import Stage, find_checkpoint, with_needs
from .state import StageState, locked, read_json, write_json

__all__ = [
    'Chain',
    'Display',
    'Stage',
    'StageDiverged',
    'StageError',
    'StageFactory',
    'StageRunner',
    'StageState',
    'Tick',
    'clock',
    'find_checkpoint',
    'find_key',
    'launch_stage',
    'locked',
    'read_config',
    'read_json',
    'terminate_like_interrupt',
    'with_needs',
    'write_json',
]
