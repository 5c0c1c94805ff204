"""Running the stages of a job: in order, several at once, and again."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager

from .display import Display, clock
from .eta import Estimator
from .launch import StageDiverged, StageError, Tick
from .stage import Stage
from .state import StageState

StageRunner = Callable[[Stage, Tick], None]


@contextmanager
def terminate_like_interrupt() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that running stages are stopped too."""

    def interrupt(*_):
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        # Not the main thread: signals stay as they are.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Chain:
    """Runs stages whose needs are done, and keeps the estimate.

    Args:
        stages: All stages; a stage comes after those it needs.
        runner: Runs one stage; called with the stage and a function to
            report (share done, words) to.
        display: Where messages go.
        after: Seconds of work that follows the last stage.
        slots: Environment variables of each stage that may run at a time,
            such as the GPU to use; one slot by default.
        keep_going: Go on with other stages when one has failed.
        on_end: Called with each stage that is done, or that has diverged or
            follows one that has, and with the verdict of the latter or None.

    Attributes:
        failures (dict[str, str]): What went wrong, by stage.
        diverged (dict[str, str]): Verdict of diverged stages.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        runner: StageRunner,
        display: Display,
        after: float = 0.0,
        slots: Sequence[dict] = ({},),
        keep_going: bool = False,
        on_end: Callable[[Stage, str | None], None] | None = None,
    ):
        self.stages = list(stages)
        self.runner = runner
        self.display = display
        self.slots = list(slots)
        self.keep_going = keep_going
        self.on_end = on_end or (lambda stage, verdict: None)
        self.failures: dict[str, str] = {}
        self.diverged: dict[str, str] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self.estimator = Estimator(stages, after, len(self.slots))
        for stage in self.stages:
            state = StageState(stage)
            if state.done or state.verdict:
                self.estimator.finish(
                    stage.name, float(state.saved['seconds'])
                )

    def run(self) -> dict[str, float]:
        """Run every stage that is not done.

        Returns:
            Seconds by name of the stage.

        Raises:
            StageError: If a stage fails, unless ``keep_going``.
            KeyboardInterrupt: If the user interrupts.
        """
        waiting = dict(enumerate(self.stages, 1))
        ended: set[str] = set()
        running = {}
        with ThreadPoolExecutor(len(self.slots)) as pool:
            try:
                while waiting or running:
                    for number in list(waiting):
                        if self._hopeless(waiting[number]):
                            waiting.pop(number)
                        elif self.slots and all(
                            need.name in ended
                            for need in waiting[number].needs
                        ):
                            stage = waiting.pop(number)
                            slot = self.slots.pop(0)
                            stage.env = {**stage.env, **slot}
                            task = pool.submit(self._one, number, stage)
                            running[task] = stage, slot
                    done, _ = wait(
                        running, timeout=1, return_when=FIRST_COMPLETED
                    )
                    for task in done:
                        stage, slot = running.pop(task)
                        self.slots.append(slot)
                        task.result()
                        ended.add(stage.name)
            except BaseException:
                self._stopping.set()
                raise
        return dict(self.estimator.measured)

    def _hopeless(self, stage: Stage) -> bool:
        """Whether a stage can never run; then it is noted as failed."""
        lost = [
            need.name
            for need in stage.needs
            if need.name in self.failures or need.name in self.diverged
        ]
        if lost and all(name in self.diverged for name in lost):
            self._note(stage, self.diverged[lost[0]])
        elif lost:
            self.failures[stage.name] = f'needs {", ".join(lost)}'
        return bool(lost)

    def _one(self, number: int, stage: Stage) -> None:
        """Bring one stage to its end, whatever that is."""
        state = StageState(stage)
        heading = f'[{number}/{len(self.stages)}] {stage.title}'
        if stage.seed is not None:
            heading += f' (seed {stage.seed})'
        if state.done or state.verdict:
            with self._lock:
                self.estimator.finish(
                    stage.name, float(state.saved['seconds'])
                )
                self.display.say(f'{heading}: already done')
                self._note(stage, state.verdict)
            return
        reason = state.why_restart()
        if reason:
            self.display.say(reason)
        try:
            resumed = state.claim()
            verdict = self._watch(number, stage, state)
        except StageError as error:
            if not self.keep_going:
                raise
            with self._lock:
                self.failures[stage.name] = str(error)
                self.display.say(f'{heading}: failed. {error}')
            return
        outcome = f'diverged ({verdict})' if verdict else 'done'
        with self._lock:
            self.display.say(
                f'{heading}: {outcome} in {clock(state.seconds)}'
                f'{" (continued)" if resumed else ""}'
            )
            self._note(stage, verdict)

    def _note(self, stage: Stage, verdict: str | None) -> None:
        if verdict:
            self.diverged[stage.name] = verdict
        self.on_end(stage, verdict)

    def _watch(
        self, number: int, stage: Stage, state: StageState
    ) -> str | None:
        """Run a stage, save its state, and return its verdict if it fails."""
        before, begin = state.seconds, time.monotonic()
        saved = begin

        def tick(fraction: float, text: str) -> None:
            nonlocal saved
            if self._stopping.is_set():
                raise KeyboardInterrupt
            now = time.monotonic()
            state.seconds = before + now - begin
            if now - saved > 10:
                # The time spent so far survives a kill.
                saved = now
                state.save('running')
            with self._lock:
                self.display.progress(
                    number,
                    len(self.stages),
                    stage.title,
                    fraction,
                    self.estimator.outlook(
                        stage.name, state.seconds, fraction
                    ),
                    text,
                )

        self.display.begin()
        self.estimator.measured.pop(stage.name, None)
        tick(0.0, 'starting')
        verdict = None
        try:
            self.runner(stage, tick)
        except StageDiverged as error:
            if not self.keep_going:
                raise
            verdict = error.verdict
        finally:
            state.seconds = before + time.monotonic() - begin
            state.save('running')
        missing = [str(p) for p in stage.outputs if not p.exists()]
        if missing and not verdict:
            raise StageError(
                f'Stage {stage.name} ended without {", ".join(missing)}; see '
                f'{stage.work_dir / "stage.log"}.'
            )
        state.save('diverged' if verdict else 'done', verdict)
        self.estimator.finish(stage.name, state.seconds)
        return verdict
