"""Running the stages of a job: in order, several at once, and again."""

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from mmgl.utils.progress import duration

from .launch import Progress, StageDiverged, StageError
from .progress import Display, Estimator
from .stage import Stage
from .state import StageState

StageRunner = Callable[[Stage], Progress]
# A stage under way, which goes on when it is asked for the next step.
Work = Generator[None, None, None]


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
        self.stages = list(stages)
        # Each with its number among how many.
        self._places = {
            stage.name: f'{number}/{len(stages)}'
            for number, stage in enumerate(stages, 1)
        }
        self.runner = runner
        self.display = display
        self.slots = list(slots)
        self.keep_going = keep_going
        self.on_end = on_end
        self.failures: dict[str, str] = {}
        self.diverged: dict[str, str] = {}
        self.estimator = Estimator(stages, after, len(self.slots))
        for stage in stages:
            self._is_finished(StageState(stage))

    def run(self) -> dict[str, float]:
        """Run every stage that is not done; returns seconds by stage.

        A StageError is raised if a stage fails, unless ``keep_going``.
        """
        waiting, ended = list(self.stages), set[str]()
        running: list[tuple[Stage, Work, dict[str, str]]] = []
        try:
            while waiting or running:
                for stage in list(waiting):
                    ready = ended.issuperset(n.name for n in stage.needs)
                    if self._is_hopeless(stage):
                        waiting.remove(stage)
                    elif self.slots and ready:
                        waiting.remove(stage)
                        slot = self.slots.pop(0)
                        stage.env = {**stage.env, **slot}
                        work = self._bring_to_end(stage)
                        running.append((stage, work, slot))
                for one in list(running):
                    stage, work, slot = one
                    if next(work, StopIteration) is StopIteration:
                        running.remove(one)
                        self.slots.append(slot)
                        ended.add(stage.name)
        finally:
            # All at a time, as each has some seconds to end in order.
            with ThreadPoolExecutor(len(running) or 1) as pool:
                list(pool.map(lambda one: one[1].close(), running))
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

    def _bring_to_end(self, stage: Stage) -> Work:
        """Run a stage unless it is done, and say what became of it."""
        state = StageState(stage)
        heading = f'[{self._places[stage.name]}] {stage.title}'
        if stage.seed is not None:
            heading += f' (seed {stage.seed})'
        outcome, verdict = 'already done', state.verdict
        if not self._is_finished(state):
            resumed, reason = state.claim()
            if reason:
                self.display.say(reason)
            try:
                yield from self._watch(state)
                outcome = f'done in {duration(state.seconds)}'
            except StageError as error:
                if not self.keep_going:
                    raise
                if not isinstance(error, StageDiverged):
                    self.failures[stage.name] = str(error)
                    self.display.say(f'{heading}: failed. {error}')
                    return
                verdict = error.verdict
                outcome = f'diverged ({verdict}) in {duration(state.seconds)}'
            outcome += ' (continued)' if resumed else ''
            state.save('diverged' if verdict else 'done', verdict)
            self.estimator.measured[stage.name] = state.seconds
        self.display.say(f'{heading}: {outcome}')
        self._note(stage, verdict)

    def _watch(self, state: StageState) -> Work:
        """Run a stage, show how far it is, and keep its time on disk."""
        stage, before = state.stage, state.seconds
        begin = saved = time.monotonic()
        self.display.begin()
        self._show(state, 0.0, 'starting')
        try:
            with closing(self.runner(stage)) as steps:
                for fraction, text in steps:
                    now = time.monotonic()
                    state.seconds = before + now - begin
                    if now - saved > 10:
                        # The time spent so far survives a kill.
                        saved = now
                        state.save('running')
                    self._show(state, fraction, text)
                    yield
        finally:
            state.seconds = before + time.monotonic() - begin
            state.save('running')
        if stage.missing:
            raise StageError(
                f'Stage {stage.name} ended without '
                f'{", ".join(stage.missing)}; see {stage.log}.'
            )

    def _show(self, state: StageState, fraction: float, text: str) -> None:
        stage = state.stage
        look = self.estimator.outlook(stage.name, state.seconds, fraction)
        place = self._places[stage.name]
        self.display.progress(place, stage.title, fraction, look, text)
