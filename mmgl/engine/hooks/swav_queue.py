"""SwAV's queue on any number of processes."""

import logging
from pathlib import Path

from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpretrain.engine.hooks import SwAVHook

from mmgl.checkpoints.reader import read_file
from mmgl.registry import HOOKS


@HOOKS.register_module()
class SwAVQueueHook(SwAVHook):  # type: ignore[misc]
    """``SwAVHook`` that does not lose its queue silently.

    Caron et al., "Unsupervised Learning of Visual Features by Contrasting
    Cluster Assignments" (NeurIPS 2020): assignments are balanced over the
    projections of earlier steps as well. ``queue_length``, 0 for no queue,
    counts those of all processes, each of which keeps its own ones, 1 / N of
    them; ``batch_size`` is that of one process. mmpretrain 1.2.0 cuts the
    length to a multiple of the batch of all processes, to 0 where that is
    longer, and loads what a run on fewer processes left. Arguments are those
    of the base class.
    """

    def before_run(self, runner: Runner) -> None:
        """Settle the length, and find the queue of a resumed run."""
        asked, batch = self.queue_length, self.batch_size
        for path in Path(runner.work_dir).glob('queue*.pth'):
            # mmpretrain would not notice a damaged one.
            read_file(path, 'queue of SwAV')
        super().before_run(runner)
        if not asked:
            return
        if not self.queue_length:
            raise ValueError(
                f'SwAVQueueHook: queue_length={asked} is shorter than the '
                f'{batch} images of one step of {get_world_size()} processes; '
                f'set it to a multiple of {batch}, 0 for no queue, or use a '
                'smaller batch_size.'
            )
        if self.queue_length < asked:
            print_log(
                f'SwAVQueueHook: queue_length={asked} becomes '
                f'{self.queue_length}, a multiple of the {batch} images of '
                f'one step of {get_world_size()} processes.',
                'current',
                logging.WARNING,
            )
        own = self.queue_length // get_world_size()
        if self.queue is not None and self.queue.shape[1] != own:
            raise ValueError(
                f'{self.queue_path} holds a queue of {self.queue.shape[1]} '
                f'projections; each of {get_world_size()} processes keeps '
                f'{own} of {self.queue_length}. Resume on as many processes, '
                'or remove the files queue*.pth of the work dir.'
            )
