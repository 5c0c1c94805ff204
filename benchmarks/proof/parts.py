"""The parts of the proof: what each one runs, and what it makes of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from .findings import empty_findings, read_findings
from .gpu_tests import pytest_command, read_tests
from .sizes import Sizes
from .training import (
    FINETUNE,
    PRETRAIN,
    Run,
    evaluation_command,
    iterations_within,
    last_checkpoint,
    read_metrics,
    read_run,
    train_command,
)

# A mode of a table that is begun in time may end so much later.
SPARE_SECONDS = 12


class NotReadyError(RuntimeError):
    """What a part starts from is not there."""


@dataclass
class Context:
    """What the parts share.

    Attributes:
        scratch: Folder for data, checkpoints and findings.
        sizes: Sizes.
        rehearse: Whether it is the rehearsal.
        ready: Names of the parts that are done.
    """

    scratch: Path
    sizes: Sizes
    rehearse: bool
    ready: set[str] = field(default_factory=set)

    @property
    def data(self) -> Path:
        """The drawn data set."""
        return self.scratch / 'data'

    def json(self, name: str) -> Path:
        """Where something leaves its findings."""
        return self.scratch / f'{name}.json'

    def run_of(self, method: str) -> Run:
        """The training of a method."""
        config = PRETRAIN if method == 'mmgl' else FINETUNE
        return Run(method, config, self.data, self.scratch / method)

    def rate(self, method: str) -> float | None:
        """Images per second with loading, if they were measured."""
        for figure in read_findings(self.json('steps'))['figures']:
            if figure['name'].startswith(f'{method}, ') and (
                'rate with loading' in figure['name']
            ):
                return figure['value']
        return None


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        name: Short name.
        title: Heading of its section.
        least: Seconds below which it is not worth starting.
        limit: Seconds after which it is cut off.
        commands: Arguments of the interpreter, for the seconds it has.
        read: Turns what they left into findings, also after a cut.
        background: Whether the next part may run beside it.
        asked: Whether it runs only where it is asked for by name.
    """

    name: str
    title: str
    least: float
    limit: float
    commands: Callable[[Context, float], list[list[str]]]
    read: Callable[[Context], dict[str, list]]
    background: bool = False
    asked: bool = False


def draw_commands(context: Context, seconds: float) -> list[list[str]]:
    """Draw the data set on all cores but two."""
    workers = max(1, context.sizes.workers - 2)
    return [
        [
            'tools/dataset_converters/make_synthetic.py',
            '--root',
            str(context.data),
            '--preset',
            context.sizes.preset,
            '--workers',
            str(workers),
            '--quiet',
        ]
    ]


def read_nothing(context: Context) -> dict[str, list]:
    """Nothing to tell but that it is done."""
    return empty_findings()


def tests_commands(context: Context, seconds: float) -> list[list[str]]:
    """Run the tests."""
    return [pytest_command(context.scratch / 'tests.xml')]


def script(name: str, *arguments: str) -> Callable:
    """Make the commands of a script of this package."""

    def commands(context: Context, seconds: float) -> list[list[str]]:
        # It ends by itself before it would be cut off.
        return [_script(name, context, seconds - SPARE_SECONDS, *arguments)]

    return commands


def _script(
    name: str, context: Context, seconds: float, *arguments: str
) -> list[str]:
    out = context.json('compiled' if '--compiled' in arguments else name)
    rehearse = ['--rehearse'] if context.rehearse else []
    return [
        '-m',
        f'proof.{name}',
        '--out',
        str(out),
        '--scratch',
        str(context.scratch),
        '--seconds',
        f'{seconds:.0f}',
        *rehearse,
        *arguments,
    ]


def reader(name: str) -> Callable[[Context], dict[str, list]]:
    """Make what reads the findings of a script."""
    return lambda context: read_findings(context.json(name))


def pretrain_commands(context: Context, seconds: float) -> list[list[str]]:
    """Pre-train on the drawn images."""
    if 'draw' not in context.ready:
        raise NotReadyError('there are no drawn images')
    run = context.run_of('mmgl')
    iterations = iterations_within(
        seconds, context.rate('mmgl'), run, context.sizes
    )
    return [train_command(run, iterations, context.sizes)]


def finetune_commands(context: Context, seconds: float) -> list[list[str]]:
    """Fine-tune from what the pre-training, cut or not, has left."""
    weights = last_checkpoint(context.run_of('mmgl'))
    if weights is None:
        raise NotReadyError('the pre-training has left no checkpoint')
    run = context.run_of('agw')
    iterations = iterations_within(
        seconds, context.rate('agw'), run, context.sizes
    )
    return [train_command(run, iterations, context.sizes, weights)]


def evaluate_commands(context: Context, seconds: float) -> list[list[str]]:
    """Test the fine-tuned model; time evaluation and search."""
    sizes, commands = context.sizes, []
    run = context.run_of('agw')
    checkpoint = last_checkpoint(run)
    if checkpoint is not None:
        commands.append(
            evaluation_command(run, checkpoint, context.json('metrics'), sizes)
        )
    commands += [
        [
            'benchmarks/evaluation.py',
            '--device',
            sizes.device,
            '--scale',
            str(sizes.scale),
            '--repeats',
            str(sizes.repeats),
            '--out',
            str(context.json('evaluation')),
        ],
        _script('search', context, seconds),
    ]
    if has_faiss_for_gpus():
        commands.append(
            [
                'benchmarks/retrieval.py',
                '--device',
                'gpu',
                '--size',
                '200000',
                '--out',
                str(context.json('retrieval')),
            ]
        )
    return commands


def has_faiss_for_gpus() -> bool:
    """Tell whether FAISS is there and built for GPUs."""
    if not find_spec('faiss'):
        return False
    import faiss

    return hasattr(faiss, 'StandardGpuResources')


def read_evaluation(context: Context) -> dict[str, list]:
    """Join metrics and figures."""
    findings = empty_findings()
    for name in ('evaluation', 'search', 'retrieval'):
        for key, values in read_findings(context.json(name)).items():
            findings[key] += values
    metrics = context.json('metrics')
    if metrics.is_file():
        findings['tables'].append(read_metrics(metrics))
    else:
        findings['notes'].append(
            'The fine-tuned model was not tested: no checkpoint, or cut.'
        )
    if not has_faiss_for_gpus():
        findings['notes'].append(
            'FAISS indexes on the GPU: not measured, since there is no '
            'FAISS built for GPUs.'
        )
    return findings


# In the order of running. The compiled steps take minutes each: the first of
# them was not there after 80 s on a card that does the others in seven.
PARTS = (
    Part(
        'draw',
        'Drawing of the data set',
        5,
        75,
        draw_commands,
        read_nothing,
        background=True,
    ),
    Part(
        'tests',
        'Tests on the device',
        20,
        120,
        tests_commands,
        lambda context: read_tests(context.scratch / 'tests.xml'),
    ),
    Part('steps', 'Training steps', 30, 110, script('steps'), reader('steps')),
    Part(
        'loading',
        'Loading of images',
        15,
        45,
        script('loading'),
        reader('loading'),
    ),
    Part(
        'pretrain',
        'Pre-training by MMGL',
        45,
        125,
        pretrain_commands,
        lambda context: read_run(context.run_of('mmgl'), context.sizes),
    ),
    Part(
        'finetune',
        'AGW from these weights',
        50,
        70,
        finetune_commands,
        lambda context: read_run(context.run_of('agw'), context.sizes),
    ),
    Part(
        'evaluate',
        'Evaluation and search',
        45,
        80,
        evaluate_commands,
        read_evaluation,
    ),
    Part(
        'compiled',
        'Training steps, compiled',
        45,
        400,
        script('steps', '--compiled'),
        reader('compiled'),
        asked=True,
    ),
)
