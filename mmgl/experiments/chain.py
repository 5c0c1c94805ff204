"""Running the stages of a job: in order, several at once, and again."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures

from .launch import StageDiverged, StageError, Tick
from .progress import Display, Estimator, clock
from .stage import Stage
from .state import StageState

StageRunner = Callable[[Stage, Tick], None]
_FIRST = futures.FIRST_COMPLETED


class Chain:
    """Runs stages whose needs are done, and keeps the estimate.

    ``runner`` runs one stage and reports its progress; ``after`` are seconds
    of work that follows the last stage; ``slots`` are the environment
    variables, such as the GPU, of each stage that may run at a time. With
    ``keep_going`` a failed or diverged stage stops only those that need it.
    ``on_end`` is called with each stage that is done, or that has diverged or
    follows one that has, and with the chain.

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
        on_end: Callable[[Stage, 'Chain'], None] = lambda *_: None,
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

        A StageError is raised if a stage fails, unless ``keep_going``.
        """
        waiting, ended = dict(self.stages), set[str]()
        running: dict[futures.Future[None], tuple[Stage, dict[str, str]]] = {}
        with futures.ThreadPoolExecutor(len(self.slots)) as pool:
            try:
                while waiting or running:
                    for place, stage in list(waiting.items()):
                        ready = ended.issuperset(n.name for n in stage.needs)
                        if self._is_hopeless(stage):
                            del waiting[place]
                        elif self.slots and ready:
                            del waiting[place]
                            slot = self.slots.pop(0)
                            stage.env = {**stage.env, **slot}
                            task = pool.submit(self._bring_to_end, place)
                            running[task] = stage, slot
                    for task in futures.wait(running, 1, _FIRST).done:
                        stage, slot = running.pop(task)
                        self.slots.append(slot)
                        task.result()
                        ended.add(stage.name)
            except BaseException:
                self._stopping.set()
                raise
        return dict(self.estimator.measured)

    def _is_finished(self, state: StageState) -> bool:
        """Whether a stage has come to its end; then its time is noted."""
        finished = state.done or bool(state.verdict)
        if finished:
            seconds = float(state.saved['seconds'])
            self.estimator.measured[state.stage.name] = seconds
        return finished

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
        self.on_end(stage, self)

    def _bring_to_end(self, place: str) -> None:
        stage = self.stages[place]
        state = StageState(stage)
        heading = f'[{place}] {stage.title}'
        if stage.seed is not None:
            heading += f' (seed {stage.seed})'
        try:
            if self._is_finished(state):
                verdict, outcome = state.verdict, 'already done'
            else:
                resumed, reason = state.claim()
                if reason:
                    self.display.say(reason)
                verdict = self._watch(place, state)
                outcome = f'diverged ({verdict})' if verdict else 'done'
                outcome += f' in {clock(state.seconds)}'
                outcome += ' (continued)' if resumed else ''
        except StageError as error:
            if not self.keep_going:
                raise
            with self._lock:
                self.failures[stage.name] = str(error)
                self.display.say(f'{heading}: failed. {error}')
            return
        with self._lock:
            self.display.say(f'{heading}: {outcome}')
            self._note(stage, verdict)

    def _watch(self, place: str, state: StageState) -> str | None:
        """Run a stage, save its state, and return its verdict if it fails."""
        stage, before = state.stage, state.seconds
        begin = saved = time.monotonic()

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
            how_far = stage.name, state.seconds, fraction
            with self._lock:
                look = self.estimator.outlook(*how_far)
                self.display.progress(place, stage.title, fraction, look, text)

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
        if stage.missing and not verdict:
            raise StageError(
                f'Stage {stage.name} ended without '
                f'{", ".join(stage.missing)}; see {stage.log}.'
            )
        state.save('diverged' if verdict else 'done', verdict)
        self.estimator.measured[stage.name] = state.seconds
        return verdict
