"""Weights with the settings that they need: bundle, checkpoint, hub."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from mmengine.config import Config
from torch import nn

from mmgl.checkpoints.bundle import hash_file, is_bundle, read_bundle
from mmgl.checkpoints.provenance import META_KEY, Entry, kept_meta, seen_by
from mmgl.checkpoints.reader import read_checkpoint
from mmgl.checkpoints.whole import load_state
from mmgl.config.classes import leave_heads_out
from mmgl.config.inert import check_types, parse_config
from mmgl.config.loading import load_config
from mmgl.models.building import build_inert
from mmgl.models.pruning import load_pruned
from mmgl.registry import TRANSFORMS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError, missing_packages, understood

from ..features.images import test_pipeline
from .sources import LARGEST, Picture, Window, window_of

# How a model starts, which loaded weights replace.
_STARTS = ('init_cfg', 'init_from')


@dataclass
class Weights:
    """Tensors, the settings of their model, and where they come from.

    ``sha256`` is that of the file of the tensors; ``info`` is what else the
    file says: ``data_seen`` last, all that was ``seen``, ``calibration``.
    """

    source: Path
    model: dict[str, Any]
    test_pipeline: list[Any]
    state: Mapping[str, Any]
    sha256: str
    info: dict[str, Any] = field(default_factory=dict)
    pruned: bool = False

    @property
    def seen(self) -> list[Entry]:
        """Data that the weights have seen since they were random."""
        return seen_by({META_KEY: self.info.get('data_seen'), **self.info})

    @property
    def window(self) -> Window:
        """What the test pipeline makes of images of 16 bits."""
        with understood(str(self.source)):
            return window_of(self.test_pipeline)

    def build(self) -> nn.Module:
        """Build the model with the weights, on the CPU, for testing."""
        if self.pruned:
            return cast(nn.Module, load_pruned(self.source))
        model: nn.Module = build_inert(self.model, str(self.source))
        load_state(model, self.state, str(self.source))
        return model.eval()

    def preparation(self) -> Callable[[Picture], Picture]:
        """Build what happens to a picture between decoding and the model."""
        with understood(str(self.source)), registry_scope():
            transforms = [
                TRANSFORMS.build(dict(step))
                for step in self.test_pipeline
                if not step['type'].startswith(('LoadImage', 'Pack'))
            ]

        def prepare(image: Picture) -> Picture:
            size = image.shape[:2]
            results = dict(img=image, img_shape=size, ori_shape=size)
            for transform in transforms:
                results = transform(results)
            return np.ascontiguousarray(results['img'])

        with understood(str(self.source)):
            result = prepare(np.zeros((64, 32, 3), np.uint8))
            if result.dtype != np.uint8 or result.shape[2:] != (3,):
                raise ValueError(
                    f'a picture becomes {result.dtype} {result.shape}'
                )
        return prepare


def open_weights(
    weights: str | Path, config: str | Path | Config | None = None
) -> Weights:
    """Read a bundle, a checkpoint, or a bundle of the Hugging Face hub.

    A checkpoint of this package carries its config; ``config`` is for those
    that do not, and for what ``mmgl export-pruned`` wrote.

    Raises:
        ConfigError: If there is no such file, or settings or tensors are
            damaged, missing or name anything but parts of a model.
    """
    path = Path(weights).expanduser()
    if not path.exists() and str(weights).count('/') == 1:
        path = _from_hub(str(weights))
    if path.is_dir():
        return _open_bundle(path, config)
    checkpoint = read_checkpoint(path)
    meta = dict(checkpoint.get('meta') or {})
    last = meta.get(META_KEY)
    cfg: Any = config
    if config is None:
        text = meta.get('cfg')
        if not isinstance(text, str):
            raise ConfigError(
                f'checkpoint {path} does not carry its config; give it as '
                'config (--config)'
            )
        cfg = parse_config(text, f'checkpoint {path}')
    elif not isinstance(config, Config):
        cfg = load_config(config)
    settings = deployed_settings(cfg, f'checkpoint {path}')
    return Weights(
        path,
        **settings,
        state=checkpoint['state_dict'],
        sha256=hash_file(path),
        info={
            'data_seen': next(iter(seen_by({META_KEY: last})), None),
            **kept_meta(meta),
        },
        pruned='subsets' in checkpoint,
    )


def deployed_settings(cfg: Config, source: str) -> dict[str, Any]:
    """Take the settings out of a config that testing one image needs.

    Heads stay, as far as a file has them; how a model starts goes.
    """
    with understood(source):
        settings = dict(
            model=_plain(cfg.get('model')),
            test_pipeline=_plain(test_pipeline(cfg)),
        )
    for key, value in settings.items():
        if not value:
            raise ConfigError(f'the config of {source} has no {key}')
    check_types(settings['model'], source)
    check_types(settings['test_pipeline'], source, LARGEST)
    with understood(source):
        leave_heads_out(settings['model'])
        names = [str(step['type']) for step in settings['test_pipeline']]
        around = [name.startswith(('LoadImage', 'Pack')) for name in names]
        if around != [True, *[False] * (len(names) - 2), True]:
            raise ValueError('test_pipeline must load, prepare and pack once')
    return settings


def _plain(node: Any) -> Any:
    """Copy nested settings without what a model starts from."""
    if isinstance(node, Mapping):
        return {k: _plain(v) for k, v in node.items() if k not in _STARTS}
    if isinstance(node, list | tuple):
        return [_plain(part) for part in node]
    return node


def _open_bundle(path: Path, config: Any) -> Weights:
    if not is_bundle(path):
        raise ConfigError(
            f'folder {path} is no bundle; publish a run first (mmgl publish)'
        )
    if config is not None:
        raise ConfigError(
            f'bundle {path} has settings of its own; leave config out'
        )
    info, state = read_bundle(path)
    with understood(f'bundle {path}'):
        cfg = Config(info)
    settings = deployed_settings(cfg, f'bundle {path}')
    return Weights(
        path, **settings, state=state, sha256=info['sha256'], info=info
    )


def _from_hub(name: str) -> Path:
    """Fetch a bundle by its name ORGANISATION/MODEL."""
    with missing_packages(
        f'there is no file or folder {name!r}; to fetch it from the Hugging '
        'Face hub mmgl'
    ):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    try:
        return Path(
            snapshot_download(
                name, allow_patterns=['*.safetensors', '*.json', '*.md']
            )
        )
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        raise ConfigError(
            f'there is no file {name!r}, and no such model could be fetched '
            f'from the Hugging Face hub ({error})'
        ) from None
