"""What a checkpoint was trained on, kept inside it."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgl.checkpoints.provenance import META_KEY
from mmgl.registry import HOOKS

# Entries of the data set's metainfo.
META_FIELDS = ('dataset', 'split', 'trial', 'num_pids')


@HOOKS.register_module()
class DatasetMetaHook(Hook):  # type: ignore[misc]
    """Write data set, split, trial and number of identities into the meta.

    ``tools/test.py`` reads them to refuse a checkpoint that saw the test
    identities: the ten trials of RegDB train on each other's test images.
    """

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Add ``checkpoint['meta']['trained_on']``."""
        dataset = runner.train_dataloader.dataset
        metainfo = getattr(dataset, 'metainfo', None) or {}
        checkpoint['meta'][META_KEY] = {
            field: metainfo[field]
            for field in META_FIELDS
            if field in metainfo
        }
