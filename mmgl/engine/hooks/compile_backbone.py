"""The backbone as compiled code."""

from mmengine.hooks import Hook

from mmgl.engine.bare_model import bare_backbone
from mmgl.registry import HOOKS


@HOOKS.register_module()
class CompileBackboneHook(Hook):
    """Send the backbone through ``torch.compile`` when the training starts.

    mmengine's ``compile`` compiles the whole training step, whose losses and
    checks are Python code around small tensors; nearly all time is in the
    backbone. It is compiled in place: names of weights and checkpoints stay
    what they are.

    Args:
        **options: Arguments of ``torch.compile``, such as
            ``mode='max-autotune'``.
    """

    def __init__(self, **options) -> None:
        self.options = options

    def before_train(self, runner) -> None:
        """Compile; the work is done at the first step.

        Args:
            runner (Runner): The runner.
        """
        bare_backbone(runner, type(self).__name__).compile(**self.options)
