"""A run that has diverged should stop and say so."""

import json
import math
import os
import shutil
from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgl.engine.logged import Outputs, losses_of, to_float
from mmgl.registry import HOOKS
from mmgl.utils.checks import require
from mmgl.utils.errors import TrainingDivergedError
from mmgl.utils.files import replace_whole, write_json

# Written to the work dir; tools read it where they look for metrics.
VERDICT_FILE = 'diverged.json'
LAST_GOOD = 'last_good.pth'
REMEDY = (
    'Lower the learning rate, lengthen the warm-up or clip the gradient '
    '(optim_wrapper.clip_grad)'
)
# Set by torchrun: how often it has started the processes again.
RESTARTS_VARIABLE = 'TORCHELASTIC_RESTART_COUNT'


@HOOKS.register_module()
class DivergenceHook(Hook):  # type: ignore[misc]
    """Stop with a verdict when losses explode, freeze or features collapse.

    The tables of the MMGL paper print "fail" for such runs. Here one fails
    when, at a check,

    - a loss is infinite or NaN ('non-finite loss'),
    - a loss is larger than ``max_loss`` ('exploding loss'),
    - the sum of the losses, above ``flat_level``, has not moved over the
      last ``window`` checks by more than ``flat_range`` of itself ('constant
      loss'; a single term may rest, as the squared loss of CAJ does at 88,
      while the others train), or
    - the spread of the features, which metric heads log as ``HEAD/spread``,
      was below ``min_spread`` over the last ``window`` checks ('collapsed
      features').

    Then :func:`stop_run` ends it. Checks are made every ``interval``
    iterations, since reading a loss waits for the GPU, and at the end of each
    epoch, before the checkpoint is saved. Window 0 leaves the last two out.
    Losses below ``flat_level`` may rest, as a triplet loss ends at 0.

    All ranks judge the same numbers, so that they stop together: the first
    two verdicts are about the worst value over the ranks, the others about
    the mean. A run that is started again forgets an old verdict; one that
    torchrun starts again (``--max-restarts``) stops at once with it.
    """

    # Before CheckpointHook (VERY_LOW) and the log of the iteration.
    priority = 'NORMAL'

    def __init__(
        self,
        interval: int = 10,
        max_loss: float = 1e5,
        window: int = 20,
        flat_range: float = 1e-5,
        flat_level: float = 1e-3,
        min_spread: float = 1e-6,
    ) -> None:
        require(self, interval >= 1, 'interval >= 1', interval)
        good = window == 0 or window >= 2
        require(self, good, 'window 0 or >= 2', window)
        limits = (max_loss, flat_range, flat_level, min_spread)
        rule = 'max_loss, flat_range, flat_level and min_spread > 0'
        require(self, min(limits) > 0, rule, limits)
        self.interval = interval
        self.max_loss = max_loss
        self.window = window
        self.flat_range = flat_range
        self.flat_level = flat_level
        self.min_spread = min_spread
        # Of the last checks: values by name, and in which epoch they were.
        self._recent: defaultdict[str, deque[float]] = defaultdict(
            lambda: deque(maxlen=max(window, 1))
        )
        self._epochs: deque[int] = deque(maxlen=max(window, 1))

    def before_train(self, runner: Runner) -> None:
        """Forget the verdict of an earlier start, unless of the same job."""
        self._recent.clear()
        self._epochs.clear()
        # Machines count their own restarts, and may not share the work dir.
        restarts = int(os.environ.get(RESTARTS_VARIABLE, 0))
        starts = all_gather_object((restarts, read_verdict(runner.work_dir)))
        verdict = next((found for _, found in starts if found), None)
        if verdict and any(restarts for restarts, _ in starts):
            raise TrainingDivergedError(
                f'training diverged before this restart, {verdict}; it is '
                'not repeated. To try again start the command anew, or '
                f'remove {Path(runner.work_dir, VERDICT_FILE)}.'
            )
        if is_main_process():
            Path(runner.work_dir, VERDICT_FILE).unlink(missing_ok=True)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, outputs: Outputs = None, **_: Any
    ) -> None:
        """Check the losses of this iteration."""
        last = self.end_of_epoch(runner.train_dataloader, batch_idx)
        if not last and not self.every_n_inner_iters(batch_idx, self.interval):
            return
        worst, mean = _over_ranks(
            {
                name: to_float(value)
                for name, value in (outputs or {}).items()
                if 'loss' in name or name.endswith('spread')
            }
        )
        terms = losses_of(worst)
        self._epochs.append(runner.epoch)
        for name, value in mean.items():
            self._recent[name].append(value)
        stop_run(runner, self._too_large(terms), terms, runner.epoch)
        if self.window and len(self._epochs) == self.window:
            verdict = self._at_rest(mean)
            stop_run(runner, verdict, terms, self._epochs[0])

    def _too_large(self, terms: Mapping[str, float]) -> str:
        bad = [k for k, v in terms.items() if not math.isfinite(v)]
        if bad:
            return f'non-finite loss: {", ".join(bad)}'
        bad = [k for k, v in terms.items() if abs(v) > self.max_loss]
        limit = f'above {self.max_loss:g}'
        return f'exploding loss: {", ".join(bad)} {limit}' if bad else ''

    def _at_rest(self, values: Mapping[str, float]) -> str:
        if 'loss' in values:
            low, high = min(self._recent['loss']), max(self._recent['loss'])
            level = max(abs(low), abs(high))
            flat = high - low < self.flat_range * level
            if flat and level > self.flat_level:
                return f'constant loss at {high:.4g}'
        spreads = {
            name: max(self._recent[name])
            for name in values
            if name.endswith('spread')
        }
        return collapse_verdict(spreads, self.min_spread)


def collapse_verdict(spreads: Mapping[str, float], min_spread: float) -> str:
    """Name the spreads that are too low; empty if none is."""
    low = [f'{k} {v:.1e}' for k, v in spreads.items() if v < min_spread]
    if not low:
        return ''
    return f'collapsed features: {", ".join(low)} below {min_spread:g}'


def stop_run(
    runner: Runner,
    verdict: str,
    terms: Mapping[str, float],
    since: int,
    remedy: str = REMEDY,
) -> None:
    """Record a verdict and stop the run; an empty verdict is none.

    ``diverged.json`` in the work dir holds verdict, iteration and terms, and
    the newest checkpoint from before the trouble, of at most ``since``
    epochs, is kept as ``last_good.pth``. All ranks must come here together;
    none leaves, by TrainingDivergedError, before both are written.
    """
    if not verdict:
        return
    kept = None
    if is_main_process():
        kept = _keep_last_good(Path(runner.work_dir), since)
        content = dict(
            verdict=verdict,
            iteration=runner.iter + 1,
            epoch=runner.epoch + 1,
            last_good=kept and str(kept),
            terms={k: repr(v) for k, v in terms.items()},
        )
        write_json(Path(runner.work_dir, VERDICT_FILE), content)
    # torchrun ends the other ranks as soon as one has failed.
    barrier()
    listing = ', '.join(f'{k}={v:g}' for k, v in terms.items())
    state = f'The last good state is {kept}.'
    if kept is None:
        state = 'No earlier epoch was complete.'
    raise TrainingDivergedError(
        f'training diverged, {verdict} at iteration {runner.iter + 1} '
        f'(epoch {runner.epoch + 1}); all terms: {listing}. {state} '
        f'{remedy}.'
    )


def read_verdict(work_dir: str | os.PathLike[str]) -> str | None:
    """Say why the run in a work dir failed; None if it has not diverged."""
    path = Path(work_dir, VERDICT_FILE)
    if not path.is_file():
        return None
    verdict: str = json.loads(path.read_text())['verdict']
    return verdict


def _keep_last_good(work_dir: Path, epochs: int) -> Path | None:
    """Keep the newest checkpoint of at most so many epochs."""
    files = work_dir.glob('epoch_*.pth')
    names = {path.stem.removeprefix('epoch_'): path for path in files}
    found = {int(n): path for n, path in names.items() if n.isdecimal()}
    good = [epoch for epoch in found if epoch <= epochs]
    if not good:
        return None
    target = work_dir / LAST_GOOD
    with replace_whole(target) as partial:
        shutil.copyfile(found[max(good)], partial)
    return target


def _over_ranks(
    values: Mapping[str, float],
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the worst and the mean of each value over the ranks."""
    found = defaultdict(list)
    for row in all_gather_object(dict(values)):
        for name, value in row.items():
            found[name].append(value)
    worst = {
        name: max(row, key=lambda v: math.inf if math.isnan(v) else abs(v))
        for name, row in found.items()
    }
    return worst, {name: sum(row) / len(row) for name, row in found.items()}
