"""Logged values that do not make the host wait at every step."""

from typing import Any

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.runner import Runner

from mmgl.engine.logged import Outputs
from mmgl.registry import HOOKS


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):  # type: ignore[misc]
    """mmengine's hook, which reads losses off the device only for the log.

    ``RuntimeInfoHook`` waits for the device after every iteration, which
    then stands still until the host has prepared the next step. Here values
    stay where they are until a ``LoggerHook`` writes its line, the epoch ends
    or a checkpoint is saved, and are read in one piece. The log is the same.
    """

    def __init__(self) -> None:
        # Names and values logged since, oldest first.
        self._waiting: list[tuple[str, Any]] = []

    def before_train(self, runner: Runner) -> None:
        """Find out how often the log is written."""
        super().before_train(runner)
        self._waiting = []
        self._intervals = {
            hook.interval
            for hook in runner.hooks
            if isinstance(hook, LoggerHook)
        }

    def after_train_iter(
        self, runner: Runner, batch_idx: int, outputs: Outputs = None, **_: Any
    ) -> None:
        """Keep the values, and hand all over when they are wanted."""
        for name, value in (outputs or {}).items():
            kept = value.detach() if torch.is_tensor(value) else value
            self._waiting.append((name, kept))
        if self.end_of_epoch(runner.train_dataloader, batch_idx) or any(
            self.every_n_inner_iters(batch_idx, n) for n in self._intervals
        ):
            self._hand_over(runner)

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Complete the log that the checkpoint holds."""
        if self._waiting:
            self._hand_over(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def _hand_over(self, runner: Runner) -> None:
        """Give the waiting values to the message hub, waiting only once."""
        waiting, self._waiting = self._waiting, []
        tensors = [
            value.float().reshape(())
            for _, value in waiting
            if torch.is_tensor(value)
        ]
        numbers = iter(torch.stack(tensors).tolist() if tensors else ())
        for name, value in waiting:
            number = next(numbers) if torch.is_tensor(value) else value
            runner.message_hub.update_scalar(f'train/{name}', number)
