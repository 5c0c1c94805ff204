"""The backbone as compiled code."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgl.engine.bare_model import bare_backbone
from mmgl.registry import HOOKS


@HOOKS.register_module()
class CompileBackboneHook(Hook):  # type: ignore[misc]
    """Send the backbone through ``torch.compile`` when the training starts.

    mmengine's ``compile`` takes the whole training step, whose losses are
    Python code around small tensors. The backbone is compiled in place: names
    in checkpoints stay. Options are those of ``torch.compile``.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options

    def before_train(self, runner: Runner) -> None:
        """Compile; the work is done at the first step."""
        bare_backbone(runner, self).compile(**self.options)
