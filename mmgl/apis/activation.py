"""Heat maps of what makes the images of a person alike for a model."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from mmgl.checkpoints.provenance import check_unseen
from mmgl.checkpoints.reader import trust
from mmgl.config.keys import VARIABLES
from mmgl.config.loading import checked_config
from mmgl.models.protocols import Tensors
from mmgl.models.reid_model import ReIDModel
from mmgl.structures import INFRARED, VISIBLE
from mmgl.utils.compat import silence_upstream_warnings
from mmgl.utils.errors import (
    ConfigError,
    missing_packages,
    report_errors,
    report_outcome,
)
from mmgl.utils.images import read_image
from mmgl.visualization import ExplainedPair, draw_activation

from .features.images import build_images
from .features.inputs import marked, panel_names
from .features.network import build_preprocessor
from .models import build_model
from .parsers import activation_parser

Pair = tuple[int, int]


class _Embedding(nn.Module):
    """The test feature of images whose modality is known.

    ``joint`` sees the maps of the backbone; of several, all channels.
    """

    def __init__(self, model: nn.Module, targets: dict[str, Tensor]) -> None:
        super().__init__()
        self.model, self.targets = model, targets
        self.joint = nn.Identity()

    def join(
        self, backbone: nn.Module, images: Any, maps: Tensor | Tensors
    ) -> Tensor | Tensors:
        """Lead the output of the backbone through ``joint``."""
        if isinstance(maps, Tensor):
            joined: Tensor = self.joint(maps)
            return joined
        joined = self.joint(torch.cat(list(maps.values()), dim=1))
        sizes = [one.shape[1] for one in maps.values()]
        return dict(zip(maps, torch.split(joined, sizes, dim=1), strict=True))

    def forward(self, inputs: Tensor) -> Tensor:
        feature = self.model(inputs, self.targets, mode='tensor')
        return F.normalize(feature.float(), dim=1)


def heat_of_pair(
    model: nn.Module, inputs: Tensor, targets: dict[str, Tensor]
) -> tuple[np.ndarray, float]:
    """Explain the similarity of two images (2, 3, h, w) by Grad-CAM.

    Where the last feature map of each, or all maps of a backbone with
    several, raise the cosine with the feature of the other one: heat
    (2, h, w), 0 to 1, by the library grad-cam, and the cosine.

    Raises:
        ImportError: Without the library.
    """
    with missing_packages('mmgl activation'):
        from pytorch_grad_cam import GradCAM
    network = _Embedding(model, targets).eval()
    with torch.no_grad():
        one, other = network(inputs)
    partners = [other, one]
    goals = [lambda feature, p=partner: feature @ p for partner in partners]
    backbone: Any = model.backbone
    hook = backbone.register_forward_hook(network.join)
    try:
        with torch.enable_grad(), GradCAM(network, [network.joint]) as explain:
            heat = explain(inputs, goals)
    finally:
        hook.remove()
    return np.asarray(heat), float(one @ other)


def choose_pairs(dataset: Any, number: int, seed: int = 0) -> list[Pair]:
    """Draw an infrared and a visible image of each of some people."""
    pids, modality = dataset.field('pid'), dataset.field('modality')
    rng = np.random.default_rng(seed)
    both = np.intersect1d(
        *(pids[modality == one] for one in (INFRARED, VISIBLE))
    )
    if not len(both):
        raise ConfigError('the split has nobody in both modalities')
    pairs = []
    for pid in rng.permutation(both)[:number]:
        infrared, visible = (
            int(rng.choice(np.flatnonzero((pids == pid) & (modality == one))))
            for one in (INFRARED, VISIBLE)
        )
        pairs.append((infrared, visible))
    return pairs


def maps_of_parts(
    model: nn.Module, inputs: Tensor, targets: dict[str, Tensor]
) -> tuple[np.ndarray, list[float]]:
    """Show where the parts of a model look: maps (2, P, h, w), 0 to 1.

    The learnt masks of MPANet; or the stripes of DDAG with their learnt
    weights, which are the same for all images.

    Raises:
        ConfigError: If the neck has no such parts.
    """
    neck: Any = model.neck
    with torch.no_grad():
        features = model.extract(inputs, targets)  # type: ignore[operator]
        if 'masks' in features:
            return features['masks'].numpy(), []
        if not hasattr(neck, 'gate'):
            raise ConfigError(
                f'--parts: {type(neck).__name__} has no parts that are '
                'weighed; those of MPANet and DDAG have'
            )
        weights = neck.gate.softmax(0).tolist()
    stripes = np.eye(len(weights))[..., None]
    return np.stack([stripes, stripes]), weights


def explain_pairs(
    cfg: Config,
    checkpoint: str,
    loader: DataLoader[Any],
    pairs: Sequence[Pair],
    parts: bool = False,
) -> list[ExplainedPair]:
    """Explain pairs of images of a loader's data set to a model.

    With ``parts`` the maps are those of :func:`maps_of_parts`.
    """
    model = build_model(cfg, checkpoint)
    if not isinstance(model, ReIDModel):
        raise ConfigError(
            f'activation maps are those of a ReIDModel, not of a '
            f'{type(model).__name__}'
        )
    preprocessor = build_preprocessor(cfg)
    found = []
    for pair in pairs:
        samples = [loader.dataset[place] for place in pair]
        batch = loader.collate_fn(samples)
        data = preprocessor(batch)
        what = model, data['inputs'], data['targets']
        heat, similarity = heat_of_pair(*what)
        maps, weights = maps_of_parts(*what) if parts else (heat[:, None], [])
        size = heat.shape[:0:-1]
        images = [
            cv2.resize(
                read_image(sample.img_path, window=(1, 99)),
                size,
                interpolation=cv2.INTER_AREA,
            )[..., ::-1]
            for sample in batch['data_samples']
        ]
        found.append(
            ExplainedPair(
                (images[0], images[1]), (maps[0], maps[1]), similarity, weights
            )
        )
    return found


def run_activation(arguments: Sequence[str] | None = None) -> None:
    """Draw the same pairs for every checkpoint."""
    args = activation_parser().parse_args(arguments)
    silence_upstream_warnings()
    with report_outcome(), report_errors():
        if args.trust_checkpoint:
            trust(*args.checkpoints)
        names = panel_names(args.checkpoints, args.names)
        cfg = checked_config(args.config, args.cfg_options, VARIABLES)
        loader = build_images(cfg, args.split, args.data_root)
        pairs = choose_pairs(loader.dataset, args.num_pairs, args.seed)
        panels = {}
        for name, checkpoint in zip(names, args.checkpoints, strict=True):
            seen = check_unseen(checkpoint, loader.dataset, args.allow_seen)
            panels[marked(name, seen)] = explain_pairs(
                cfg, checkpoint, loader, pairs, args.parts
            )
        print(draw_activation(panels, args.out))
