"""One pass over a split: global and part features of every image."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from mmgl.checkpoints.provenance import check_unseen
from mmgl.config.options import FEATURES, RANDOM
from mmgl.evaluation.features_io import FeatureSet
from mmgl.structures import routing_modality
from mmgl.utils.errors import ConfigError

from ..models import build_model
from .images import build_images
from .network import build_backbone, build_preprocessor

Array: TypeAlias = npt.NDArray[Any]
FeatureMap: TypeAlias = Tensor | dict[str, Tensor] | Sequence[Tensor]

# In the order of FeatureSet.
_LABELS = ('pid', 'camid', 'modality', 'index')
# Parts are compared with one another; so many images of each modality do.
_PART_IMAGES = 300


@dataclass
class PartFeatures:
    """Features of the horizontal stripes of some images of a split.

    ``features`` are top to bottom, (m, N, d); ``modality`` is 0 visible, 1
    infrared, (m,); ``places`` is the stripe of the original image at each
    place, (m, N).
    """

    features: Array
    modality: Array
    places: Array


@dataclass
class ExtractedFeatures:
    """Features of a split, and the metainfo of its data set.

    ``parts`` are the horizontal stripes of ``images``, top to bottom,
    (n, N, d), None for test features; ``shuffled`` are those of images whose
    stripes were shuffled before the network saw them, None if not asked for;
    ``kind`` says where the weights came from: 'mmgl', 'imagenet', 'random',
    ``seen`` what of the data they have seen in training.
    """

    images: FeatureSet
    parts: Array | None = None
    shuffled: PartFeatures | None = None
    metainfo: dict[str, Any] = field(default_factory=dict)
    kind: str = 'mmgl'
    seen: str | None = None


def pool_feature_map(
    feature_map: FeatureMap, num_parts: int
) -> tuple[Tensor, Tensor]:
    """Average a feature map over the whole image and over stripes.

    Maps are ``(B, C, h, w)``; of a dict (a backbone of several networks) all
    are joined, of a sequence the last one counts. Returns ``(B, C)`` and
    ``(B, num_parts, C)`` in fp32.
    """
    if isinstance(feature_map, dict):
        whole = torch.cat(list(feature_map.values()), dim=1).float()
    elif isinstance(feature_map, Tensor):
        whole = feature_map.float()
    else:
        whole = feature_map[-1].float()
    stripes = F.adaptive_avg_pool2d(whole, (num_parts, 1))
    return whole.mean(dim=(2, 3)), stripes[..., 0].transpose(1, 2)


@torch.inference_mode()
def _run(
    network: nn.Module,
    preprocessor: nn.Module,
    loader: DataLoader[Any],
    num_parts: int | None,
) -> tuple[FeatureSet, Array | None, Array | None]:
    """Compute features, stripes and places of all images of a loader."""
    features, parts, places, samples = [], [], [], []
    for batch in loader:
        data = preprocessor(batch)
        inputs, targets = data['inputs'], data['targets']
        if num_parts is None:
            features.append(network(inputs, targets, mode='tensor'))
        else:
            pooled, stripes = pool_feature_map(
                network(inputs, routing_modality(targets)), num_parts
            )
            features.append(pooled)
            parts.append(stripes.cpu())
        if 'permutation' in targets:
            places.append(targets['permutation'].cpu())
        samples.extend(batch['data_samples'])
    pids, camids, modality, index = (
        np.array([sample.get(key) for sample in samples]) for key in _LABELS
    )
    images = FeatureSet(
        torch.cat([f.float().cpu() for f in features]).numpy(),
        pids,
        camids,
        modality,
        index,
        np.array([str(sample.img_path) for sample in samples]),
    )
    images = images.checked('features of the network')
    return images, _joined(parts), _joined(places)


def _joined(arrays: list[Tensor]) -> Array | None:
    return torch.cat(arrays).numpy() if arrays else None


def _part_images(modality: Array) -> list[int]:
    """Choose images evenly over each modality."""
    chosen: list[int] = []
    for number in np.unique(modality):
        rows = np.flatnonzero(modality == number)
        steps = np.linspace(0, len(rows) - 1, min(_PART_IMAGES, len(rows)))
        chosen += rows[steps.astype(int)].tolist()
    return sorted(chosen)


def extract_features(
    cfg: Config,
    checkpoint: str,
    kind: str | None = None,
    split: str | None = None,
    data_root: str | None = None,
    feature: str = 'backbone',
    num_parts: int = 6,
    shuffled: bool = False,
    seed: int = 0,
    workers: int = 0,
    device: str | None = None,
    allow_seen: bool = False,
) -> ExtractedFeatures:
    """Extract the features of a split with any checkpoint.

    Images keep the order of the data set. ``feature`` is 'backbone', pooled
    from the feature map, or 'test', what the model of the config uses in
    testing (needs its own checkpoint). For checkpoint, kind and seed see
    :func:`build_backbone`, for split and folder :func:`image_settings`;
    ``num_parts`` is the number N of stripes, of which ``shuffled`` asks for
    those of some shuffled images too; the device is by default the GPU if
    there is one.

    Raises:
        ConfigError: For a mistake in config or options, or a checkpoint
            that has seen the identities, unless ``allow_seen``.
        FileNotFoundError: If data or checkpoint are not there.
        ValueError: If the checkpoint does not fit.
    """
    if feature not in FEATURES:
        raise ConfigError(
            f'--feature must be one of {", ".join(FEATURES)}, got {feature!r}'
        )
    loader = build_images(cfg, split, data_root, workers=workers)
    metainfo = dict(loader.dataset.metainfo)  # type: ignore[attr-defined]
    stripes = num_parts if feature == 'backbone' else None
    if stripes is None:
        network, kind = build_model(cfg, checkpoint), 'mmgl'
    else:
        network, kind = build_backbone(cfg, checkpoint, kind, seed)
    seen = None
    if kind != RANDOM:
        seen = check_unseen(checkpoint, loader.dataset, allow_seen)
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    on_device = (network.to(device), build_preprocessor(cfg).to(device))
    images, parts, _ = _run(*on_device, loader, stripes)
    images.trial = metainfo.get('trial')
    result = ExtractedFeatures(
        images, parts, metainfo=metainfo, kind=kind, seen=seen
    )
    if shuffled and stripes is not None:
        loader = build_images(
            cfg,
            split,
            data_root,
            workers=workers,
            indices=_part_images(images.modality),
            shuffled_parts=stripes,
        )
        some, parts, places = _run(*on_device, loader, stripes)
        if parts is not None and places is not None:
            result.shuffled = PartFeatures(parts, some.modality, places)
    return result
