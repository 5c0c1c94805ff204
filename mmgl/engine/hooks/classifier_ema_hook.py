"""Moving averages of MPANet's modality classifiers."""

from mmengine.hooks import Hook

from mmgl.engine.bare_model import bare_model
from mmgl.registry import HOOKS


@HOOKS.register_module()
class ClassifierEmaHook(Hook):
    r"""Move averaged classifiers once an optimizer step.

    Follows MPANet: in epoch e, counted from 1, the averages take over the
    share :math:`\rho = rate \cdot \min(1, hold / (e + 1))` of the
    classifiers: 0.2 up to epoch 99, 0.142 in epoch 140. The published code
    does it at the start of every forward pass; after the step before, as
    here, the averages are the same (but for the step between two epochs,
    which counts to the first), they are saved up to date, and gradient
    accumulation does not count twice. The rate depends on the epoch alone
    and the averages are buffers of the model, so resuming needs no state.

    Args:
        head (str): Dotted path, below the model, of a module with a method
            ``update_average(rate)``, such as ``ModalityClassifierHead``.
        rate (float): Share in the first epochs, in (0, 1].
        hold (int): The rate falls from epoch ``hold`` on.

    Raises:
        ValueError: For a rate or a number of epochs out of range.
    """

    # Before checkpoints are written.
    priority = 'NORMAL'

    def __init__(
        self, head: str = 'heads.modality', rate: float = 0.2, hold: int = 100
    ) -> None:
        if not 0 < rate <= 1 or hold < 1:
            raise ValueError(
                'ClassifierEmaHook needs 0 < rate <= 1 and hold '
                f'>= 1, got rate={rate}, hold={hold}.'
            )
        self.head = head
        self.rate = rate
        self.hold = hold
        self._update = None

    def rate_in_epoch(self, epoch: int) -> float:
        """Share of the classifiers that the averages take over.

        Args:
            epoch (int): Epoch, from 1.

        Returns:
            float: The share, in (0, 1].
        """
        return self.rate * min(1.0, self.hold / (epoch + 1))

    def before_train(self, runner) -> None:
        """Find the head.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If there is no such head with averages.
        """
        module = dict(bare_model(runner).named_modules()).get(self.head)
        self._update = getattr(module, 'update_average', None)
        if self._update is None:
            raise ValueError(
                f'ClassifierEmaHook: the model has no head {self.head!r} '
                'with averaged classifiers; correct custom_hooks or remove '
                'the hook.'
            )

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Update after an iteration in which the optimizer took a step.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Iteration inside the epoch.
            data_batch (dict, optional): Unused.
            outputs (dict, optional): Unused.
        """
        if runner.optim_wrapper.should_update():
            self._update(self.rate_in_epoch(runner.epoch + 1))
