"""SwAV's queue on any number of processes."""

import logging
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size, is_distributed
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpretrain.engine.hooks import SwAVHook

from mmgl.checkpoints.reader import read_file
from mmgl.engine.bare_model import bare_model
from mmgl.registry import HOOKS
from mmgl.utils.files import replace_whole


@HOOKS.register_module()
class SwAVQueueHook(SwAVHook):  # type: ignore[misc]
    """``SwAVHook`` that does not lose its queue silently.

    Caron et al., "Unsupervised Learning of Visual Features by Contrasting
    Cluster Assignments" (NeurIPS 2020): assignments are balanced over the
    projections of earlier steps as well. ``queue_length``, 0 for no queue,
    counts those of all N processes, each of which keeps 1 / N of them;
    ``batch_size`` is that of one. mmpretrain 1.2.0 cuts the length to a
    multiple of the batch of all, to 0 where that is longer, and loads what a
    run on fewer processes left. Arguments are those of the base class.
    """

    queue: Any  # a tensor, once there is one

    def before_run(self, runner: Runner) -> None:
        """Settle the length, and find the queue of a resumed run."""
        asked, batch = self.queue_length, self.batch_size
        processes = get_world_size()
        rank = get_rank() if is_distributed() else ''
        left = Path(runner.work_dir, f'queue{rank}.pth')
        if left.is_file():
            # mmpretrain opens it with all that torch's version allows.
            read_file(left, 'queue of SwAV')
        super().before_run(runner)
        if not asked:
            return
        length = self.queue_length
        step = f'{batch} images of one step of {processes} processes'
        if not length:
            raise ValueError(
                f'SwAVQueueHook: queue_length={asked} is shorter than the '
                f'{step}; set it to a multiple of {batch}, 0 for no queue, or '
                'use a smaller batch_size.'
            )
        if length < asked:
            text = f'queue_length={asked} becomes {length}, a multiple of the'
            text = f'SwAVQueueHook: {text} {step}.'
            print_log(text, 'current', logging.WARNING)
        own = length // processes
        if self.queue is not None and self.queue.shape[1] != own:
            raise ValueError(
                f'{self.queue_path} holds a queue of {self.queue.shape[1]} '
                f'projections; each of {processes} processes keeps {own} of '
                f'{length}. Resume on as many processes, or remove the files '
                'queue*.pth of the work dir.'
            )

    def after_train_epoch(self, runner: Runner) -> None:
        """Keep the queue, in a file that a kill cannot halve."""
        model: Any = bare_model(runner)
        self.queue = model.head.loss_module.queue
        if self.queue is not None and self.every_n_epochs(
            runner, self.interval
        ):
            with replace_whole(self.queue_path) as partial:
                torch.save({'queue': self.queue}, partial)
