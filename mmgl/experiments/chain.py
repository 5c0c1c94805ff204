"""Running the stages of a job: in order, several at once, and again."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import Any

from .launch import StageDiverged, StageError, Tick
from .progress import Display, Estimator, clock
from .stage import Stage
from .state import StageState

StageRunner = Callable[[Stage, Tick], None]


@contextmanager
def terminate_like_interrupt() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that running stages are stopped too."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        # Only there may signals be changed.
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Chain:
    """Runs stages whose needs are done, and keeps the estimate.

    ``runner`` runs one stage and reports its progress; ``after`` are seconds
    of work that follows the last stage; ``slots`` are the environment
    variables, such as the GPU, of each stage that may run at a time. With
    ``keep_going`` a failed or diverged stage stops only those that need it.
    ``on_end`` is called with each stage that is done, or that has diverged or
    follows one that has, and with the verdict of the latter or None.

    ``failures`` and ``diverged`` say by name of the stage what went wrong.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        runner: StageRunner,
        display: Display,
        after: float = 0.0,
        slots: Sequence[dict[str, str]] = ({},),
        keep_going: bool = False,
        on_end: Callable[[Stage, str | None], None] | None = None,
    ) -> None:
        # Each with its number among how many.
        self.stages = {
            f'{number}/{len(stages)}': stage
            for number, stage in enumerate(stages, 1)
        }
        self.runner = runner
        self.display = display
        self.slots = list(slots)
        self.keep_going = keep_going
        self.on_end = on_end
        self.failures: dict[str, str] = {}
        self.diverged: dict[str, str] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self.estimator = Estimator(stages, after, len(self.slots))
        for stage in stages:
            self._is_finished(StageState(stage))

    def run(self) -> dict[str, float]:
        """Run every stage that is not done; returns seconds by stage.

        Raises:
            StageError: If a stage fails, unless ``keep_going``.
            KeyboardInterrupt: If the user interrupts.
        """
        waiting, ended = dict(self.stages), set()
        running: dict[Future[None], tuple[Stage, dict[str, str]]] = {}
        with ThreadPoolExecutor(len(self.slots)) as pool:
            try:
                while waiting or running:
                    for place, stage in list(waiting.items()):
                        if self._is_hopeless(stage):
                            del waiting[place]
                        elif self.slots and all(
                            need.name in ended for need in stage.needs
                        ):
                            del waiting[place]
                            slot = self.slots.pop(0)
                            stage.env = {**stage.env, **slot}
                            task = pool.submit(self._bring_to_end, place)
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

    def _is_finished(self, state: StageState) -> bool:
        if not state.done and not state.verdict:
            return False
        self.estimator.measured[state.stage.name] = float(
            state.saved['seconds']
        )
        return True

    def _is_hopeless(self, stage: Stage) -> bool:
        """Whether a stage can never run; then it is noted as failed."""
        names = [need.name for need in stage.needs]
        failed = [name for name in names if name in self.failures]
        lost = [name for name in names if name in self.diverged]
        if failed:
            self.failures[stage.name] = f'needs {", ".join(failed)}'
        elif lost:
            self._note(stage, self.diverged[lost[0]])
        return bool(failed or lost)

    def _note(self, stage: Stage, verdict: str | None) -> None:
        if verdict:
            self.diverged[stage.name] = verdict
        if self.on_end:
            self.on_end(stage, verdict)

    def _bring_to_end(self, place: str) -> None:
        stage = self.stages[place]
        state = StageState(stage)
        heading = f'[{place}] {stage.title}'
        if stage.seed is not None:
            heading += f' (seed {stage.seed})'
        with self._lock:
            if self._is_finished(state):
                self.display.say(f'{heading}: already done')
                self._note(stage, state.verdict)
                return
        try:
            resumed, reason = state.claim()
            if reason:
                self.display.say(reason)
            verdict = self._watch(place, state)
        except StageError as error:
            if not self.keep_going:
                raise
            with self._lock:
                self.failures[stage.name] = str(error)
                self.display.say(f'{heading}: failed. {error}')
            return
        outcome = f'diverged ({verdict})' if verdict else 'done'
        again = ' (continued)' if resumed else ''
        with self._lock:
            self.display.say(
                f'{heading}: {outcome} in {clock(state.seconds)}{again}'
            )
            self._note(stage, verdict)

    def _watch(self, place: str, state: StageState) -> str | None:
        """Run a stage, save its state, and return its verdict if it fails."""
        stage = state.stage
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
                outlook = self.estimator.outlook(
                    stage.name, state.seconds, fraction
                )
                self.display.progress(
                    place, stage.title, fraction, outlook, text
                )

        self.display.begin()
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
        if not verdict:
            _require_outputs(stage)
        state.save('diverged' if verdict else 'done', verdict)
        self.estimator.measured[stage.name] = state.seconds
        return verdict


def _require_outputs(stage: Stage) -> None:
    missing = [str(path) for path in stage.outputs if not path.exists()]
    if missing:
        raise StageError(
            f'Stage {stage.name} ended without {", ".join(missing)}; see '
            f'{stage.work_dir / "stage.log"}.'
        )
