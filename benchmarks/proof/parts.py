"""The parts of the proof: what each one runs, and what it makes of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from .page import Findings, empty_findings, read_findings
from .sizes import Sizes
from .training import Command, Run, command, read_metrics

# A mode of a table that is begun in time may end so much later.
SPARE_SECONDS = 12
TESTS = (
    'tests/test_gpu',
    'tests/test_models/test_functional/test_gather.py'
    '::test_nothing_waits_for_the_device',
)
ENDS = dict(failure='failed', error='failed', skipped='skipped')
MESSAGE_LENGTH = 200


class NotReadyError(RuntimeError):
    """What a part starts from is not there."""


@dataclass
class Context:
    """What the parts share; ``ready`` names those that are done."""

    scratch: Path
    sizes: Sizes
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
        return Run(method, self.data, self.scratch / method, self.sizes)

    def rate(self, method: str) -> float | None:
        """Images per second with loading, if they were measured."""
        for figure in read_findings(self.json('steps'))['figures']:
            name = figure['name']
            if name.startswith(f'{method}, ') and 'rate with loading' in name:
                return figure['value']
        return None


def read_json(context: Context, name: str) -> Findings:
    """Read what a benchmark has found."""
    return read_findings(context.json(name))


@dataclass(frozen=True)
class Part:
    """One part."""

    name: str
    title: str
    least: float  # seconds below which it is not worth starting
    limit: float  # seconds after which it is cut off
    commands: Callable[[Context, float], list[Command]]  # by its seconds
    read: Callable[[Context, str], Findings] = read_json  # by name; after cuts
    background: bool = False  # whether the next part may run beside it
    asked: bool = False  # whether it runs only where it is named


def draw(context: Context, seconds: float) -> list[Command]:
    """Draw the data set on all cores but two."""
    tool = 'tools/dataset_converters/make_synthetic.py'
    preset, workers = context.sizes.preset, max(1, context.sizes.workers - 2)
    options = dict(root=context.data, preset=preset, workers=workers)
    return [command(tool, '--quiet', **options)]


def run_tests(context: Context, seconds: float) -> list[Command]:
    """Run the tests."""
    xml = f'--junitxml={context.scratch / "tests.xml"}'
    quiet = ['-q', '-p', 'no:cacheprovider', '--durations=5']
    return [['-m', 'pytest', *quiet, xml, *TESTS]]


def read_tests(context: Context, name: str) -> Findings:
    """Turn the XML that pytest writes at its end into a table and a note."""
    findings, xml = empty_findings(), context.scratch / 'tests.xml'
    if not xml.is_file():
        findings['notes'].append('pytest did not come to its end.')
        return findings
    rows = [*map(_test_row, ElementTree.parse(xml).iter('testcase'))]
    columns = ['test', 'end', 's', 'reason']
    findings['tables'].append(dict(columns=columns, rows=rows))
    ends = [row[1] for row in rows]
    counts = [f'{ends.count(e)} {e}' for e in ('passed', 'failed', 'skipped')]
    findings['notes'].append(f'{", ".join(counts)}.')
    return findings


def _test_row(case: ElementTree.Element) -> list[str]:
    """Say how a test ended, and the first line of why."""
    end, why = 'passed', ''
    for found in case:
        if found.tag in ENDS:
            end, why = ENDS[found.tag], found.get('message') or ''
    module = case.get('classname', '').split('.')[-1]
    name, why = f'{module}: {case.get("name")}', why.partition('\n')[0]
    seconds = f'{float(case.get("time", 0)):.1f}'
    return [name, end, seconds, why[:MESSAGE_LENGTH]]


def steps(
    context: Context, seconds: float, compiled: bool = False
) -> list[Command]:
    """Time the steps of MMGL and AGW."""
    sizes, name = context.sizes, 'compiled' if compiled else 'steps'
    options = dict(
        modes=sizes.compiled if compiled else sizes.modes,
        device=sizes.device,
        steps=sizes.steps,
        loaded_steps=0 if compiled else sizes.loaded_steps,
        workers=sizes.workers,
        backend=sizes.backend,
        batch_size=sizes.images,
        cfg_options=sizes.model,
        seconds=round(seconds - SPARE_SECONDS),
        out=context.json(name),
    )
    return [command('benchmarks/step.py', only=('mmgl', 'agw'), **options)]


def load(context: Context, seconds: float) -> list[Command]:
    """Measure what all workers deliver together."""
    options = dict(
        workers=context.sizes.workers,
        turns=context.sizes.turns,
        seconds=round(seconds - SPARE_SECONDS),
        out=context.json('loading'),
    )
    script = 'benchmarks/data_loading.py'
    return [command(script, only='workers', images=200, **options)]


def pretrain(context: Context, seconds: float) -> list[Command]:
    """Pre-train on the drawn images."""
    if 'draw' not in context.ready:
        raise NotReadyError('there are no drawn images')
    run = context.run_of('mmgl')
    return [run.train(run.iterations_within(seconds, context.rate('mmgl')))]


def finetune(context: Context, seconds: float) -> list[Command]:
    """Fine-tune from what the pre-training, cut or not, has left."""
    weights = context.run_of('mmgl').last_checkpoint()
    if weights is None:
        raise NotReadyError('the pre-training has left no checkpoint')
    run = context.run_of('agw')
    iterations = run.iterations_within(seconds, context.rate('agw'))
    return [run.train(iterations, weights)]


def evaluate(context: Context, seconds: float) -> list[Command]:
    """Test the fine-tuned model; time evaluation and search."""
    sizes, commands, run = context.sizes, [], context.run_of('agw')
    checkpoint = run.last_checkpoint()
    if checkpoint is not None:
        commands.append(run.test(checkpoint, context.json('metrics')))
    script, out = 'benchmarks/evaluation.py', context.json('evaluation')
    how = dict(device=sizes.device, scale=sizes.scale, repeats=sizes.repeats)
    commands.append(command(script, **how, out=out))
    if has_faiss_for_gpus():
        script, out = 'benchmarks/retrieval.py', context.json('retrieval')
        commands.append(command(script, device='gpu', size=200_000, out=out))
    return commands


def has_faiss_for_gpus() -> bool:
    """Tell whether FAISS is there and built for GPUs."""
    if not find_spec('faiss'):
        return False
    import faiss

    return hasattr(faiss, 'StandardGpuResources')


def read_scores(context: Context, name: str) -> Findings:
    """Join metrics and figures."""
    findings = empty_findings()
    for name in ('evaluation', 'retrieval'):
        findings['figures'] += read_findings(context.json(name))['figures']
    metrics = context.json('metrics')
    if metrics.is_file():
        findings['tables'].append(read_metrics(metrics))
    else:
        note = 'The fine-tuned model was not tested: no checkpoint, or cut.'
        findings['notes'].append(note)
    if not has_faiss_for_gpus():
        note = 'not measured, since there is no FAISS built for GPUs.'
        findings['notes'].append(f'FAISS indexes on the GPU: {note}')
    return findings


def read_run(context: Context, name: str) -> Findings:
    """Read the log of a training."""
    return context.run_of('mmgl' if name == 'pretrain' else 'agw').read()


# In the order of running. The compiled steps take minutes each: the first of
# them was not there after 80 s on a card that does the others in seven.
PARTS = (
    Part('draw', 'Drawing of the data set', 5, 75, draw, background=True),
    Part('tests', 'Tests on the device', 20, 120, run_tests, read_tests),
    Part('steps', 'Training steps', 30, 110, steps),
    Part('loading', 'Loading of images', 15, 45, load),
    Part('pretrain', 'Pre-training by MMGL', 45, 125, pretrain, read_run),
    Part('finetune', 'AGW from these weights', 50, 70, finetune, read_run),
    Part('evaluate', 'Evaluation and search', 45, 80, evaluate, read_scores),
    Part(
        'compiled',
        'Training steps, compiled',
        45,
        400,
        partial(steps, compiled=True),
        asked=True,
    ),
)
