"""What a checkpoint was trained on, kept inside it."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.models.selfsup import BaseSelfSupervisor
from torch import nn

from mmgl.checkpoints.provenance import (
    FIELDS,
    META_KEY,
    MODEL_KEY,
    SEEN_KEY,
    Entry,
    entries_of,
    history_of,
    initial_files,
    merged,
    read_meta,
    seen_by,
)
from mmgl.engine.bare_model import bare_model
from mmgl.models import ReIDModel
from mmgl.models.heads import (
    ClusterMemoryHead,
    ColorizationHead,
    JigsawHead,
    PartHead,
    PermutationHead,
)
from mmgl.registry import HOOKS

LABEL_FREE = (
    BaseSelfSupervisor,
    ClusterMemoryHead,
    ColorizationHead,
    JigsawHead,
    PartHead,
    PermutationHead,
)


def uses_labels(model: nn.Module) -> bool:
    """Tell whether losses of a model may look at identities."""
    parts = model.heads.values() if isinstance(model, ReIDModel) else [model]
    return not all(isinstance(part, LABEL_FREE) for part in parts)


@HOOKS.register_module()
class DatasetMetaHook(Hook):  # type: ignore[misc]
    """Write into the meta of checkpoints what the weights have seen.

    ``trained_on`` has data set, split, trial and number of identities of this
    run; ``seen`` has these and the persons of all runs since the weights were
    random, whatever they were started from. ``tools/test.py`` refuses to
    score what was seen: the ten trials of RegDB train on each other's test
    images.
    """

    def __init__(self) -> None:
        self._before: list[Entry] = []

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Take over the history of a checkpoint that is gone on from."""
        self._before += seen_by(checkpoint.get('meta') or {})

    def before_train(self, runner: Runner) -> None:
        """Take over the history of the initial weights; the model knows it."""
        model = bare_model(runner)
        self._before += history_of(model)
        for file in initial_files(model):
            self._before += seen_by(read_meta(file))
        vars(model)[MODEL_KEY] = self._history(runner)

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Add ``checkpoint['meta']['trained_on']`` and ``['seen']``."""
        dataset = runner.train_dataloader.dataset
        metainfo = getattr(dataset, 'metainfo', None) or {}
        last = {k: metainfo[k] for k in FIELDS if k in metainfo}
        checkpoint['meta'][META_KEY] = last
        seen = self._history(runner)
        if seen != seen_by({META_KEY: last}):
            checkpoint['meta'][SEEN_KEY] = seen

    def _history(self, runner: Runner) -> list[Entry]:
        """What was seen before, and what this run sees."""
        own = entries_of(runner.train_dataloader.dataset)
        if any('pids' in entry for entry in own):
            labels = uses_labels(bare_model(runner))
            own = [dict(entry, labels=labels) for entry in own]
        return merged(self._before, own)
