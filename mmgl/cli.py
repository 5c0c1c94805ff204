"""The command ``mmgl``: every tool, also where there is no checkout."""

import sys
from collections.abc import Sequence
from importlib import import_module

from .utils.errors import (
    INTERRUPTED,
    missing_packages,
    nearest,
    quiet_pipe,
    report_errors,
)
from .version import __version__

# The function, and what it does. Nothing is imported before a command is
# chosen.
COMMANDS = {
    'train': ('mmgl.apis.commands:run_training', 'pre-train or fine-tune'),
    'test': ('mmgl.apis.commands:run_evaluation', 'evaluate a checkpoint'),
    'embed': ('mmgl.apis.embedding:run_embed', 'write features of images'),
    'compare': (
        'mmgl.apis.embedding:run_compare',
        'tell how alike the persons of two images are',
    ),
    'search': (
        'mmgl.apis.searching:run_search',
        'find who in a gallery looks like a person',
    ),
    'gallery': (
        'mmgl.apis.searching:run_gallery',
        'add people to a gallery, list, count, delete',
    ),
    'export': (
        'mmgl.apis.commands:run_export',
        'write networks for ONNX Runtime, OpenVINO, TorchScript',
    ),
    'serve': (
        'mmgl.serving.command:run_serve',
        'serve a model and a gallery over HTTP, with a page',
    ),
    'publish': (
        'mmgl.apis.commands:run_publish',
        'make a bundle of a run, to deploy and share',
    ),
    'probe': (
        'mmgl.apis.commands:run_probe',
        'judge pre-trained features without fine-tuning',
    ),
    'eval-features': (
        'mmgl.apis.scoring:run_scoring',
        'score exported features of any code base',
    ),
    'convert': (
        'mmgl.apis.commands:run_conversion',
        'translate a released checkpoint, or back',
    ),
    'export-pruned': (
        'mmgl.apis.commands:run_pruning',
        'write an NFS-style model without closed channels',
    ),
    'make-synthetic': (
        'mmgl.apis.synthesis:run_synthesis',
        'write the embedded data set',
    ),
    'pack-dataset': (
        'mmgl.apis.packing:run_packing',
        'decode and resize images once, into a mapped file',
    ),
    'write-shards': (
        'mmgl.apis.sharding:run_sharding',
        'write tar shards for streamed pre-training',
    ),
    'verify-dataset': (
        'mmgl.apis.verification:run_verification',
        'check the folder of a data set, or a table of your own',
    ),
    'plot-curves': (
        'mmgl.apis.curves:run_curves',
        'draw losses and metrics of runs',
    ),
    'cost': (
        'mmgl.apis.curves:run_cost',
        'draw accuracy against the cost of pre-training',
    ),
    'tsne': ('mmgl.apis.commands:run_tsne', 'draw t-SNE of features'),
    'ranking': (
        'mmgl.apis.commands:run_ranking',
        'draw queries and their best matches',
    ),
    'activation': (
        'mmgl.apis.commands:run_activation',
        'draw what makes images of a person alike for a model',
    ),
    'quickstart': (
        'mmgl.experiments.commands:run_quickstart',
        'the whole job on embedded data',
    ),
    'demo': (
        'mmgl.experiments.demo:run_demo',
        'train a small model of drawn people, with pictures to try',
    ),
    'reproduce': (
        'mmgl.experiments.commands:run_reproduction',
        "run the paper's tables and figures",
    ),
}


def usage() -> str:
    """List the commands."""
    width = max(map(len, COMMANDS))
    lines = [
        f'  {name:{width}}  {text}' for name, (_, text) in COMMANDS.items()
    ]
    return '\n'.join(
        [
            'usage: mmgl COMMAND [OPTIONS]',
            '       mmgl COMMAND --help | mmgl --help | mmgl --version',
            '',
            *lines,
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code, as its tool would."""
    try:
        with quiet_pipe():
            return _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        print('\ninterrupted', file=sys.stderr)
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    command, *rest = arguments or ['']
    if command in ('-h', '--help'):
        print(usage())
        return 0
    if command == '--version':
        print(f'mmgl {__version__}')
        return 0
    if command not in COMMANDS:
        hint = nearest(command, COMMANDS)
        problem = f'no command {command!r}{hint}' if command else 'no command'
        print(f'{usage()}\n\nmmgl: {problem}', file=sys.stderr)
        return 2
    # As the command reads it, and names itself in its help.
    sys.argv = [f'mmgl {command}', *rest]
    module, _, function = COMMANDS[command][0].partition(':')
    with report_errors(), missing_packages(f'mmgl {command}', 'mmgl'):
        run = getattr(import_module(module), function)
    try:
        result = run()
    except ModuleNotFoundError:
        with report_errors(), missing_packages(f'mmgl {command}'):
            raise
    return result if isinstance(result, int) else 0


if __name__ == '__main__':
    sys.exit(main())
