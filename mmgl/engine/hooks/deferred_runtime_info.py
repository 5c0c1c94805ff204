"""Logged values that do not make the host wait at every step."""

from collections.abc import Mapping, Sequence

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook

from mmgl.registry import HOOKS


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's hook, which reads losses off the device only for the log.

    ``RuntimeInfoHook`` turns every logged value into a number after every
    iteration, and waits for the device each time; the device then stands
    still until the host has prepared the next step. Here the values stay
    where they are until a ``LoggerHook`` writes its line, the epoch ends or
    a checkpoint is saved, and are read in one piece. What is logged is the
    same.
    """

    # Logged values of the iterations since, oldest first.
    _waiting: Sequence[dict] = ()

    def before_train(self, runner) -> None:
        """Find out how often the log is written.

        Args:
            runner (Runner): The runner.
        """
        super().before_train(runner)
        self._waiting = []
        self._intervals = {
            hook.interval
            for hook in runner.hooks
            if isinstance(hook, LoggerHook)
        }

    def after_train_iter(
        self,
        runner,
        batch_idx: int,
        data_batch=None,
        outputs: dict | None = None,
    ) -> None:
        """Keep the values, and hand all over when they are wanted.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch in the epoch.
            data_batch (dict, optional): The batch, not read.
            outputs (dict, optional): Logged values by name.
        """
        self._waiting.append(
            {
                name: value.detach() if torch.is_tensor(value) else value
                for name, value in (outputs or {}).items()
            }
        )
        if self.end_of_epoch(runner.train_dataloader, batch_idx) or any(
            self.every_n_inner_iters(batch_idx, n) for n in self._intervals
        ):
            self._hand_over(runner)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Complete the log that the checkpoint holds.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): Content of the file, with a copy of the log.
        """
        if self._waiting:
            self._hand_over(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def _hand_over(self, runner) -> None:
        """Give the waiting values to the message hub, oldest first."""
        waiting, self._waiting = self._waiting, []
        for outputs in _read(waiting):
            for name, value in outputs.items():
                runner.message_hub.update_scalar(f'train/{name}', value)


def _read(rows: list[Mapping]) -> list[Mapping]:
    """Replace the scalar tensors in all rows, waiting only once."""
    tensors = {
        (number, name): value.float().reshape(())
        for number, row in enumerate(rows)
        for name, value in row.items()
        if torch.is_tensor(value)
    }
    if not tensors:
        return rows
    values = torch.stack(list(tensors.values())).tolist()
    numbers = dict(zip(tensors, values, strict=True))
    return [
        {
            name: numbers.get((number, name), value)
            for name, value in row.items()
        }
        for number, row in enumerate(rows)
    ]
