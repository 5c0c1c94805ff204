"""Precision, memory format and compilation of a training step."""

import itertools
from dataclasses import dataclass

import torch
from step_cases import build_case


@dataclass(frozen=True)
class Mode:
    """How the numbers are represented.

    Attributes:
        name: 'fp32', 'tf32' or 'bf16'.
        channels_last: Memory format of images and convolutions.
        compiled: Whether the backbone goes through ``torch.compile``.
    """

    name: str
    channels_last: bool = False
    compiled: bool = False

    def __str__(self) -> str:
        return self._join(', ', 'channels last')

    @property
    def key(self) -> str:
        """Name on the command line, such as 'bf16+channels-last'."""
        return self._join('+', 'channels-last')

    def _join(self, between, channels_last):
        parts = [self.name]
        parts += [channels_last] if self.channels_last else []
        parts += ['compiled'] if self.compiled else []
        return between.join(parts)

    def build(self, name, root, folder, options):
        """Build a method in this mode; see :func:`build_case`."""
        tf32 = self.name == 'tf32'
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        case = build_case(
            name, root, folder, options, bf16=self.name == 'bf16'
        )
        if self.channels_last:
            case.model.to(memory_format=torch.channels_last)
            case.bare.to(memory_format=torch.channels_last)
        if self.compiled:
            # After eight models of one class it would not compile any more.
            torch.compiler.reset()
            case.model.backbone.compile()
        return case


# The ratio to the bare step is that of this one.
FASTEST = Mode('bf16', True)
MODES = {
    mode.key: mode
    for mode in (
        Mode(*parts)
        for parts in itertools.product(
            ('fp32', 'tf32', 'bf16'), (False, True), (False, True)
        )
    )
}
# Rate and memory in all modes are measured for these.
RATED = ('mmgl', 'agw')


def add_mode_option(parser):
    """Add ``--modes``.

    Args:
        parser (argparse.ArgumentParser): The parser of a benchmark.
    """
    parser.add_argument(
        '--modes',
        nargs='+',
        choices=list(MODES),
        default=list(MODES),
        metavar='MODE',
        help=f'of {" and ".join(RATED)} on a GPU, besides '
        f'{FASTEST.key}: of {", ".join(MODES)}',
    )


def modes_of(name, keys):
    """List the modes to measure a method in.

    Args:
        name (str): The method.
        keys (list[str]): See ``--modes``.

    Returns:
        list[Mode]: The fastest one first.
    """
    wanted = [MODES[key] for key in keys] if name in RATED else []
    return [FASTEST, *(mode for mode in wanted if mode != FASTEST)]
