"""Classifiers of MutualInfo and the distillation between them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmgl.models.functional.distillation import (
    BRANCHES,
    NETWORKS,
    distil,
    js_divergence,
    symmetric_kl,
)
from mmgl.models.functional.gather import all_gather_with_grad
from mmgl.models.functional.pairwise import at_least_fp32
from mmgl.models.functional.transport import (
    released_transport_cost,
    transport_cost,
)
from mmgl.registry import MODELS

TERMS = ('ce', 'cml', 'vsd', 'vcd', 'vml')
KL_WEIGHTS = {
    'paper': dict(vsd=1.0, vcd=1.0, vml=1.0),
    'released': dict(vsd=2.0, vcd=2.0, vml=0.0),
}
CML_WEIGHTS = {'sinkhorn': 8.0, 'released': 8.0, 'kl': 1.0}
BRANCH_WEIGHTS = dict(infrared=0.5, visible=0.5, shared_gray=0.25, shared=0.25)


def observation_classifier(channels: int, num_classes: int) -> nn.Linear:
    """Build the classifier of a network's observations, N(0, 0.001)."""
    classifier = nn.Linear(channels, num_classes)
    _init_classifier(classifier)
    return classifier


def representation_classifier(
    channels: int, num_classes: int
) -> nn.Sequential:
    """Build the two-layer classifier of a network's representations."""
    inside = channels // 2
    classifier = nn.Sequential(
        nn.Linear(channels, inside),
        nn.BatchNorm1d(inside),
        nn.LeakyReLU(0.1, inplace=True),
        nn.Dropout(0.5),
        nn.Linear(inside, num_classes),
    )
    classifier.apply(_init_classifier)
    return classifier


def _init_classifier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.001)
        nn.init.zeros_(module.bias)


@MODELS.register_module()
class VariationalDistillationHead(nn.Module):
    """Classify observations and representations and distil between them.

    Follows MutualInfo (Tian et al., CVPR 2021). With observations v and
    representations z of the branches I (infrared network, grey image), V
    (visible network), S_I and S_V (shared network, grey image and image as
    it is):

    - ``loss_ce``: label-smoothed cross-entropy of v and of z, branches
      weighted 0.5 (I, V) and 0.25 (S_I, S_V);
    - ``loss_vsd``: KL(p(y|v) || p(y|z)) of I and of V: z keeps what v says;
    - ``loss_vcd``: half of KL(p(y|v) || p(y|z)) from S_V to S_I and back: z
      of one view says what v of the other says;
    - ``loss_vml``: Jensen-Shannon divergence of p(y|z) of S_I and S_V;
    - ``loss_cml``: mutual learning between p(y|v) of I and of V.

    Teachers, the observations, get no gradient from ``loss_vsd`` and
    ``loss_vcd``. The ranked-list loss is another head's (``MetricHead``).

    Args:
        feature_channels: Lengths of the features of the neck.
        num_classes: Number of training identities.
        kl_mode: 'paper' for the above, or 'released' for what the public
            code computes (see :func:`~mmgl.models.functional.distillation
            .distil`), which has no VML.
        cml: 'sinkhorn' (optimal transport between the two clouds of
            predictions of the whole batch), 'released' (the same with the
            unconverged solver of the public code) or 'kl' (symmetric KL of
            the two predictions of each image).
        loss_weights: Weights of the terms where they differ from: ce 1; cml
            8, with 'kl' 1; vsd, vcd and vml 1, with kl_mode='released' 2, 2
            and 0. A term of weight 0 is left out.
        label_smoothing: Share of the target spread over all identities.

    Attributes:
        ramp (Tensor): Factor of the terms vsd, vcd and vml of
            kl_mode='paper', for ``LossRampHook``.

    Raises:
        ValueError: For an unknown mode or term, or a missing feature.
    """

    def __init__(
        self,
        feature_channels: dict[str, int],
        num_classes: int,
        kl_mode: str = 'paper',
        cml: str = 'sinkhorn',
        loss_weights: Mapping[str, float] | None = None,
        label_smoothing: float = 0.1,
    ) -> None:
        super().__init__()
        _check(feature_channels, num_classes, kl_mode, cml, loss_weights)
        self.num_classes = num_classes
        self.kl_mode = kl_mode
        self.cml = cml
        self.loss_weights = dict(
            ce=1.0, cml=CML_WEIGHTS[cml], **KL_WEIGHTS[kl_mode]
        )
        self.loss_weights.update(loss_weights or {})
        self.observation = nn.ModuleDict(
            {
                name: observation_classifier(
                    feature_channels[f'obs_{name}'], num_classes
                )
                for name in NETWORKS
            }
        )
        self.representation = nn.ModuleDict(
            {
                name: representation_classifier(
                    feature_channels[f'rep_{name}'], num_classes
                )
                for name in NETWORKS
            }
        )
        self.criterion = MODELS.build(
            dict(
                type='IdentityCrossEntropyLoss',
                label_smoothing=label_smoothing,
            )
        )
        self.register_buffer('ramp', torch.ones(()), persistent=False)

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Classify.

        Args:
            features: Features of the neck.

        Returns:
            Logits ``(B, num_classes)`` of each, under the feature's name.
        """
        logits = {}
        for kind, classifiers in (
            ('obs', self.observation),
            ('rep', self.representation),
        ):
            for branch, network in BRANCHES.items():
                name = f'{kind}_{branch}'
                logits[name] = at_least_fp32(
                    classifiers[network](features[name])
                )
        return logits

    def loss(
        self, features: dict[str, Tensor], targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the losses.

        Args:
            features: Features of the neck.
            targets: ``pid`` ``(B,)``.

        Returns:
            ``loss_TERM`` of each term; ``accuracy`` (percent, mean over the
            observations of all branches) and, with transport,
            ``cml_marginal_error``, which says how far from its end the
            transport plan is. All are scalars.
        """
        logits = self(features)
        # Softmax, divergences and transport in fp32.
        with torch.autocast(targets['pid'].device.type, enabled=False):
            terms = {
                term: getattr(self, f'_{term}')
                for term in TERMS
                if self.loss_weights[term] != 0
            }
            output = {}
            for term, function in terms.items():
                value = function(logits, targets['pid'], output)
                output[f'loss_{term}'] = self.loss_weights[term] * value
            with torch.no_grad():
                hits = [
                    (logits[f'obs_{branch}'].argmax(dim=1) == targets['pid'])
                    .float()
                    .mean()
                    for branch in BRANCHES
                ]
                output['accuracy'] = 100 * torch.stack(hits).mean()
        return output

    def _ce(self, logits: dict, pids: Tensor, log: dict) -> Tensor:
        return sum(
            BRANCH_WEIGHTS[name.removeprefix('obs_').removeprefix('rep_')]
            * self.criterion(value, pids)
            for name, value in logits.items()
        )

    def _cml(self, logits: dict, pids: Tensor, log: dict) -> Tensor:
        first, second = logits['obs_infrared'], logits['obs_visible']
        if self.cml == 'kl':
            return symmetric_kl(first, second)
        # The clouds of all ranks: a transport between parts of the batch is
        # not a part of the transport.
        clouds = all_gather_with_grad(
            torch.stack([first, second], dim=1).softmax(dim=2)
        ).unbind(dim=1)
        solve = (
            transport_cost
            if self.cml == 'sinkhorn'
            else released_transport_cost
        )
        cost, log['cml_marginal_error'] = solve(*clouds)
        return cost

    def _vsd(self, logits: dict, pids: Tensor, log: dict) -> Tensor:
        return self._ramp_up(
            sum(
                distil(
                    logits[f'obs_{branch}'],
                    logits[f'rep_{branch}'],
                    self.kl_mode,
                )
                for branch in ('infrared', 'visible')
            )
        )

    def _vcd(self, logits: dict, pids: Tensor, log: dict) -> Tensor:
        pairs = (('shared', 'shared_gray'), ('shared_gray', 'shared'))
        return self._ramp_up(
            sum(
                distil(
                    logits[f'obs_{teacher}'],
                    logits[f'rep_{student}'],
                    self.kl_mode,
                )
                for teacher, student in pairs
            )
            / 2
        )

    def _vml(self, logits: dict, pids: Tensor, log: dict) -> Tensor:
        return self._ramp_up(
            js_divergence(logits['rep_shared_gray'], logits['rep_shared'])
        )

    def _ramp_up(self, value: Tensor) -> Tensor:
        return self.ramp * value if self.kl_mode == 'paper' else value


def _check(
    feature_channels: dict,
    num_classes: int,
    kl_mode: str,
    cml: str,
    loss_weights: Mapping | None,
) -> None:
    """Raise ValueError for settings of the head that make no sense."""
    name = 'VariationalDistillationHead'
    if num_classes < 1:
        raise ValueError(f'{name}.num_classes must be >= 1, got {num_classes}')
    if kl_mode not in KL_WEIGHTS:
        raise ValueError(
            f'{name}.kl_mode must be one of '
            f'{tuple(KL_WEIGHTS)}, got {kl_mode!r}'
        )
    if cml not in CML_WEIGHTS:
        raise ValueError(
            f'{name}.cml must be one of {tuple(CML_WEIGHTS)}, got {cml!r}'
        )
    unknown = sorted(set(loss_weights or {}) - set(TERMS))
    if unknown:
        raise ValueError(
            f'{name}.loss_weights: no term {unknown}; the terms are {TERMS}'
        )
    wanted = [f'{kind}_{b}' for kind in ('obs', 'rep') for b in BRANCHES]
    missing = [
        feature for feature in wanted if feature not in feature_channels
    ]
    if missing:
        raise ValueError(
            f'{name} needs a neck with the features {missing}, such as '
            f'MutualBottleneckNeck; it has {list(feature_channels)}'
        )
