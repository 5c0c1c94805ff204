"""A run that has diverged should stop and say so."""

import json
import math
import os
import re
import shutil
from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.dist import all_gather_object, barrier, is_main_process
from mmengine.hooks import Hook

from mmgl.registry import HOOKS
from mmgl.utils.errors import TrainingDivergedError
from mmgl.utils.files import replace_whole

# Written to the work dir; tools read it where they look for metrics.
VERDICT_FILE = 'diverged.json'
LAST_GOOD = 'last_good.pth'
# Set by torchrun: how often it has started the processes again.
RESTARTS_VARIABLE = 'TORCHELASTIC_RESTART_COUNT'


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Stop with a verdict when losses explode, freeze or features collapse.

    The tables of the MMGL paper print "fail" where fine-tuning from random
    weights diverged. Here a run fails when, at a check,

    - a loss is infinite or NaN ('non-finite loss'),
    - a loss is larger than ``max_loss`` ('exploding loss'),
    - the sum of the losses, above ``flat_level``, has not moved over the
      last ``window`` checks by more than ``flat_range`` of itself ('constant
      loss'; a single term may rest, as the squared loss of CAJ does at 88,
      while the others train), or
    - the spread of the features, which metric heads log as ``HEAD/spread``,
      was below ``min_spread`` over the last ``window`` checks ('collapsed
      features').

    Then ``diverged.json`` in the work dir holds verdict, iteration and loss
    terms, the newest checkpoint from before the trouble is kept as
    ``last_good.pth``, and the training stops. Checks are made every
    ``interval`` iterations and at the end of each epoch, before the
    checkpoint is saved.

    All ranks judge the same numbers, so that they stop together: the first
    two verdicts are about the worst value over the ranks, the others about
    the mean. A run that is started again forgets an old verdict; one that
    torchrun starts again (``--max-restarts``) stops at once with it.

    Args:
        interval: Iterations between two checks; reading a loss waits for
            the GPU.
        max_loss: Largest loss of a healthy run.
        window: Checks in a row that must agree on a constant loss or
            collapsed features; 0 leaves these two out.
        flat_range: Smallest healthy movement, as a share of the loss.
        flat_level: Losses below may rest; a triplet loss ends at 0.
        min_spread: Smallest healthy spread, from 0 to 1.

    Raises:
        ValueError: For a setting out of range.
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
        if interval < 1 or window < 0 or window == 1:
            raise ValueError(
                'DivergenceHook needs interval >= 1 and window 0 or >= 2, '
                f'got interval={interval}, window={window}'
            )
        if min(max_loss, flat_range, flat_level, min_spread) <= 0:
            raise ValueError(
                'DivergenceHook: max_loss, flat_range, flat_level and '
                f'min_spread must be above 0, got {max_loss}, {flat_range}, '
                f'{flat_level} and {min_spread}'
            )
        self.interval = interval
        self.max_loss = max_loss
        self.window = window
        self.flat_range = flat_range
        self.flat_level = flat_level
        self.min_spread = min_spread
        self._recent = defaultdict(lambda: deque(maxlen=max(window, 1)))
        self._epochs: deque[int] = deque(maxlen=max(window, 1))

    def before_train(self, runner) -> None:
        """Forget the verdict of an earlier start, unless of the same job.

        Args:
            runner: The Runner.

        Raises:
            TrainingDivergedError: If torchrun starts a run again that has
                ended with a verdict.
        """
        self._recent.clear()
        self._epochs.clear()
        # Machines count their own restarts, and may not share the work dir.
        starts = all_gather_object(
            (
                int(os.environ.get(RESTARTS_VARIABLE, 0)),
                read_verdict(runner.work_dir),
            )
        )
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
        self,
        runner,
        batch_idx: int,
        data_batch=None,
        outputs: dict | None = None,
    ) -> None:
        """Check the losses of this iteration.

        Args:
            runner: The Runner.
            batch_idx: Number of the batch in the epoch.
            data_batch: The batch, not read.
            outputs: Logged values by name.

        Raises:
            TrainingDivergedError: Naming verdict, iteration and loss terms.
        """
        last = self.end_of_epoch(runner.train_dataloader, batch_idx)
        if not last and not self.every_n_inner_iters(batch_idx, self.interval):
            return
        worst, mean = _over_ranks(
            {
                name: _to_float(value)
                for name, value in (outputs or {}).items()
                if 'loss' in name or name.endswith('spread')
            }
        )
        terms = {k: v for k, v in worst.items() if 'loss' in k}
        spreads = {k: v for k, v in mean.items() if k.endswith('spread')}
        self._epochs.append(runner.epoch)
        for name, value in mean.items():
            self._recent[name].append(value)
        for find in (self._non_finite, self._exploding):
            stop_run(runner, find(terms), terms, runner.epoch)
        if self.window and len(self._epochs) == self.window:
            since = self._epochs[0]
            stop_run(runner, self._constant(terms), terms, since)
            stop_run(runner, self._collapsed(spreads), terms, since)

    def _non_finite(self, terms: Mapping[str, float]) -> str:
        bad = [k for k, v in terms.items() if not math.isfinite(v)]
        return f'non-finite loss: {", ".join(bad)}' if bad else ''

    def _exploding(self, terms: Mapping[str, float]) -> str:
        bad = [k for k, v in terms.items() if abs(v) > self.max_loss]
        return (
            f'exploding loss: {", ".join(bad)} above {self.max_loss:g}'
            if bad
            else ''
        )

    def _constant(self, terms: Mapping[str, float]) -> str:
        if 'loss' not in terms:
            return ''
        low, high = min(self._recent['loss']), max(self._recent['loss'])
        level = max(abs(low), abs(high))
        flat = level > self.flat_level and high - low < self.flat_range * level
        return f'constant loss at {high:.4g}' if flat else ''

    def _collapsed(self, spreads: Mapping[str, float]) -> str:
        bad = [
            f'{name} {max(self._recent[name]):.1e}'
            for name in spreads
            if max(self._recent[name]) < self.min_spread
        ]
        return f'collapsed features: {", ".join(bad)}' if bad else ''


def stop_run(
    runner, verdict: str, terms: Mapping[str, float], since: int
) -> None:
    """Record a verdict and stop the run; an empty verdict is none.

    ``diverged.json`` in the work dir holds verdict, iteration and terms, and
    the newest checkpoint from before the trouble is kept as
    ``last_good.pth``. All ranks must come here together; none leaves before
    both are written.

    Args:
        runner: The Runner.
        verdict: What went wrong.
        terms: Values behind it by name.
        since: Number of epochs that were complete and in order.

    Raises:
        TrainingDivergedError: Naming verdict, iteration and terms.
    """
    if not verdict:
        return
    kept = None
    if is_main_process():
        kept = _keep_last_good(Path(runner.work_dir), since)
        _write_verdict(
            Path(runner.work_dir),
            verdict=verdict,
            iteration=runner.iter + 1,
            epoch=runner.epoch + 1,
            last_good=kept and str(kept),
            terms={k: repr(v) for k, v in terms.items()},
        )
    # torchrun ends the other ranks as soon as one has failed.
    barrier()
    listing = ', '.join(f'{k}={v:g}' for k, v in terms.items())
    state = (
        f'The last good state is {kept}.'
        if kept
        else 'No earlier epoch was complete.'
    )
    raise TrainingDivergedError(
        f'training diverged, {verdict} at iteration {runner.iter + 1} '
        f'(epoch {runner.epoch + 1}); all terms: {listing}. {state} '
        'Lower the learning rate, lengthen the warm-up or clip the '
        'gradient (optim_wrapper.clip_grad).'
    )


def read_verdict(work_dir: str | os.PathLike) -> str | None:
    """Say why the run in a work dir failed.

    Args:
        work_dir: Work dir of a training.

    Returns:
        The verdict, or None if the run has not diverged.
    """
    path = Path(work_dir, VERDICT_FILE)
    if not path.is_file():
        return None
    return json.loads(path.read_text())['verdict']


def _keep_last_good(work_dir: Path, epochs: int) -> Path | None:
    """Keep the newest checkpoint of at most so many epochs."""
    found = {
        int(match[1]): path
        for path in work_dir.glob('epoch_*.pth')
        if (match := re.fullmatch(r'epoch_(\d+)\.pth', path.name))
    }
    good = [epoch for epoch in found if epoch <= epochs]
    if not good:
        return None
    target = work_dir / LAST_GOOD
    with replace_whole(target) as partial:
        shutil.copyfile(found[max(good)], partial)
    return target


def _write_verdict(work_dir: Path, **content) -> None:
    with replace_whole(work_dir / VERDICT_FILE) as partial:
        partial.write_text(json.dumps(content, indent=2) + '\n')


def _over_ranks(values: Mapping[str, float]) -> tuple[dict[str, float], dict]:
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


def _to_float(value) -> float:
    """Return a logged value as a float; the mean if it has several."""
    if isinstance(value, torch.Tensor):
        return float(value.detach().float().mean())
    return float(value)
