"""mmengine's Runner, strict about checkpoints."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.optim import Optimizer

from mmgl.checkpoints.compare import infinite, some_names
from mmgl.checkpoints.reader import read_checkpoint
from mmgl.checkpoints.resume import (
    check_progress,
    merge_optimizer,
    optimizer_tensors,
)
from mmgl.checkpoints.whole import HEADS, load_state
from mmgl.registry import RUNNERS
from mmgl.utils.errors import ConfigError

from .bare_model import bare_model
from .hooks.channels_last import (
    ChannelsLastHook,
    in_usual_order,
    keeps_channels_last,
)
from .hooks.divergence import stop_run
from .optim_wrappers import step_together


@RUNNERS.register_module()
class ReIDRunner(Runner):  # type: ignore[misc]
    """mmengine's Runner, which reads and writes good checkpoints only.

    What it reads runs no code and fits the model; what it writes is finite.
    A run is resumed with the progress of the file and the settings of the
    config: the schedule is what it would be now, had the config been this
    one from the beginning. It has one optimizer and schedules of epochs and
    iterations alone.
    """

    # Names that runs of this process have had.
    _begun: ClassVar[Counter[str]] = Counter()

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Set up the environment, and name the run after the second.

        mmengine keeps logs, figures and the checkpoints to delete by that
        name; of two runs that a process begins in one second it takes the
        second for the first.
        """
        super().setup_env(env_cfg)
        self._begun[self._timestamp] += 1
        if (number := self._begun[self._timestamp]) > 1:
            self._timestamp += f'_{number}'

    def dump_config(self) -> None:
        """Leave no record of a run that is not started."""

    def load_or_resume(self) -> None:
        """Load the checkpoint of the config, then write the config down."""
        super().load_or_resume()
        super().dump_config()

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> Any:
        """Wrap it for distributed training, its weights reordered by then."""
        training = self._train_loop is not None
        if training and self.distributed and keeps_channels_last(self.cfg):
            ChannelsLastHook().reorder(self)
        return super().wrap_model(model_wrapper_cfg, model)

    def _init_model_weights(self) -> None:
        """Draw the weights that a run alone has, whatever their order."""
        with in_usual_order(bare_model(self)):
            super()._init_model_weights()

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """Build it; its optimizer steps over many parameters at once."""
        wrapper = super().build_optim_wrapper(optim_wrapper)
        if isinstance(getattr(wrapper, 'optimizer', None), Optimizer):
            step_together(wrapper.optimizer)
        return wrapper

    def load_checkpoint(
        self, filename: str, *_: Any, **__: Any
    ) -> dict[str, Any]:
        """Read a checkpoint and load its weights; return what it holds."""
        checkpoint = read_checkpoint(filename)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        testing = self._train_loop is None
        load_state(
            bare_model(self),
            checkpoint['state_dict'],
            filename,
            HEADS if testing else (),
        )
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    def resume(self, filename: str, *_: Any, **__: Any) -> None:
        """Go on from a checkpoint."""
        checkpoint = self.load_checkpoint(filename)
        epoch, iteration = check_progress(checkpoint, filename)
        loop = self.train_loop
        done, planned, unit = iteration, loop.max_iters, 'iters'
        if isinstance(loop, EpochBasedTrainLoop):
            done, planned, unit = epoch, loop.max_epochs, 'epochs'
        if done > planned:
            raise ConfigError(
                f'--resume: {filename} has seen {done} {unit}, more than '
                f'train_cfg.max_{unit}={planned}'
            )
        self._resume_seed(checkpoint['meta'].get('seed'), filename)
        self._resume_optimizer(checkpoint['optimizer'], filename)
        self._replay_schedule(epoch, iteration)
        self._report_settings(checkpoint['optimizer']['param_groups'])
        self._resume_log(checkpoint['message_hub'], filename)
        loop._epoch, loop._iter = epoch, iteration
        self.logger.info(f'resumed epoch: {epoch}, iter: {iteration}')

    def _resume_seed(self, saved: int | None, path: str) -> None:
        """Take the seed of the file where the config has none."""
        chosen = self._randomness_cfg.get('seed')
        if saved is None or saved == chosen:
            return
        if chosen is not None:
            raise ConfigError(
                f'--resume: {path} was trained with seed {saved}, the config '
                f'says {chosen}; give --seed {saved}'
            )
        self._randomness_cfg.update(seed=saved)
        self.set_randomness(**self._randomness_cfg)

    def _resume_optimizer(self, saved: dict[str, Any], path: str) -> None:
        wrapper = self.optim_wrapper
        schedules = self.param_schedulers
        if not isinstance(wrapper, OptimWrapper) or any(
            getattr(one, 'need_val_args', False) for one in schedules or ()
        ):
            raise ConfigError(
                '--resume: only runs with one optimizer, and schedules that '
                'need no metric, can be resumed'
            )
        groups = wrapper.optimizer.param_groups
        parameters = [p for group in groups for p in group['params']]
        built = wrapper.state_dict()
        wrapper.load_state_dict(
            merge_optimizer(saved, built, parameters, path)
        )

    def _replay_schedule(self, epoch: int, iteration: int) -> None:
        """Step as these epochs, or iterations without any, would have."""
        schedules = self.param_schedulers or []
        by_epoch = isinstance(self.train_loop, EpochBasedTrainLoop)
        length = len(self.train_dataloader)
        with warnings.catch_warnings():
            # Of schedules that are stepped without the optimizer.
            warnings.simplefilter('ignore', UserWarning)
            for iterations in [length] * epoch if by_epoch else [iteration]:
                for _ in range(iterations):
                    for one in schedules:
                        if not one.by_epoch:
                            one.step()
                for one in schedules if by_epoch else ():
                    if one.by_epoch:
                        one.step()

    def _report_settings(self, saved: list[dict[str, Any]]) -> None:
        """Log which settings of the optimizer are not those of the file."""
        changes = {
            f'{key} {old[key]!r} -> {value!r}'
            for old, new in zip(
                saved, self.optim_wrapper.optimizer.param_groups, strict=True
            )
            for key, value in new.items()
            if key != 'params' and key in old and old[key] != value
        }
        if changes:
            self.logger.info(
                'The config changes settings of the resumed optimizer: '
                f'{some_names(sorted(changes))}'
            )

    def _resume_log(self, saved: dict[str, Any], path: str) -> None:
        """Restore the log, but not what it says about the start."""
        hub = self.message_hub
        started = dict(hub.runtime_info)
        try:
            hub.load_state_dict(saved)
        except (AssertionError, AttributeError, TypeError) as error:
            raise ConfigError(
                f'--resume: message_hub in {path} is broken ({error})'
            ) from error
        for key, value in hub.runtime_info.items():
            # mmengine deletes the best checkpoint when there is a better
            # one: never that of another run.
            if key.startswith('best_ckpt'):
                started[key] = str(Path(self.work_dir, Path(str(value)).name))
        for key, value in started.items():
            hub.update_info(key, value)

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Write a checkpoint, or end the run if it is not finite."""
        state = optimizer_tensors(self.optim_wrapper.state_dict())
        bad = infinite({**bare_model(self).state_dict(), **state})
        if bad:
            stop_run(
                self,
                f'NaN or Inf in {some_names(bad, 3)}',
                {'tensors with NaN or Inf': len(bad)},
                self.epoch,
            )
        super().save_checkpoint(*args, **kwargs)
