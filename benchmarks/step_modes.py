"""Precision, memory format and compilation of a training step."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from step_cases import StepCase, build_case

# Rate and memory in all modes are measured for these.
RATED = ('mmgl', 'agw')


@dataclass(frozen=True)
class Mode:
    """How numbers lie, and ``torch.compile`` on the backbone or not.

    ``tries`` lets cuDNN try its algorithms. The bare backbone is never
    compiled.
    """

    name: str
    channels_last: bool = False
    compiled: bool = False
    tries: bool = False

    def __str__(self) -> str:
        words = {
            'channels last': self.channels_last,
            'compiled': self.compiled,
            'cuDNN benchmark': self.tries,
        }
        return ', '.join([self.name, *(w for w in words if words[w])])

    @property
    def key(self) -> str:
        """Name on the command line, such as 'bf16+channels-last'."""
        return str(self).lower().replace(', ', '+').replace(' ', '-')

    def build(
        self, name: str, root: str, folder: Path, options: Namespace
    ) -> StepCase:
        """Build a method in this mode; see :func:`build_case`."""
        tf32 = self.name == 'tf32'
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = self.tries
        case = build_case(name, root, folder, options, self.name == 'bf16')
        if self.channels_last:
            case.model.to(memory_format=torch.channels_last)
            case.bare.to(memory_format=torch.channels_last)
        if self.compiled:
            # After eight models of one class it would not compile any more.
            torch.compiler.reset()
            case.model.backbone.compile(backend=options.backend)
        return case


# The ratio to the bare step is that of this one.
FASTEST = Mode('bf16', True)
PRECISIONS, FORMATS = ('bf16', 'tf32', 'fp32'), (True, False)
MODES = {
    mode.key: mode
    for mode in (
        *(Mode(one, last) for one in PRECISIONS for last in FORMATS),
        Mode('bf16', True, tries=True),
        *(Mode(one, last, True) for last in FORMATS for one in PRECISIONS),
    )
}


def planned(
    names: Sequence[str], keys: Sequence[str]
) -> list[tuple[str, Mode]]:
    """List what to measure, the most wanted first."""
    plan = [(n, MODES[key]) for key in keys for n in names if n in RATED]
    return plan + [(name, FASTEST) for name in names if name not in RATED]
