"""Classifiers of MutualInfo and the distillation between them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.distillation import (
    BRANCHES,
    NETWORKS,
    distil,
    js_divergence,
    symmetric_kl,
)
from ..functional.gather import all_gather_with_grad
from ..functional.monitors import accuracy
from ..functional.pairwise import at_least_fp32
from ..functional.transport import released_transport_cost, transport_cost
from ..losses import IdentityCrossEntropyLoss
from ..protocols import Tensors

TERMS = ('ce', 'cml', 'vsd', 'vcd', 'vml')
KL_WEIGHTS = {
    'paper': dict(vsd=1.0, vcd=1.0, vml=1.0),
    'released': dict(vsd=2.0, vcd=2.0, vml=0.0),
}
CML_WEIGHTS = {'sinkhorn': 8.0, 'released': 8.0, 'kl': 1.0}
NEEDED = {f'{kind}_{name}' for kind in ('obs', 'rep') for name in BRANCHES}
BRANCH_WEIGHTS = dict(infrared=0.5, visible=0.5, shared_gray=0.25, shared=0.25)


def _two_layers(channels: int, num_classes: int) -> nn.Sequential:
    """Build the classifier of a network's representations."""
    inside = channels // 2
    return nn.Sequential(
        nn.Linear(channels, inside),
        nn.BatchNorm1d(inside),
        nn.LeakyReLU(0.1, inplace=True),
        nn.Dropout(0.5),
        nn.Linear(inside, num_classes),
    )


def _init_classifier(module: nn.Module) -> None:
    """Weights N(0, 0.001), biases 0."""
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
    - ``loss_vsd``: KL(p(y|v) || p(y|z)) of I and of V, no gradient to v;
    - ``loss_vcd``: half of KL(p(y|v) || p(y|z)) from S_V to S_I and back,
      likewise;
    - ``loss_vml``: Jensen-Shannon divergence of p(y|z) of S_I and S_V;
    - ``loss_cml``: mutual learning between p(y|v) of I and of V.

    The ranked-list loss is another head's (``MetricHead``). ``ramp``, a
    factor of vsd, vcd and vml of kl_mode='paper', is for ``LossRampHook``.

    Args:
        kl_mode: 'paper' for the above, or 'released' for what the public
            code computes (see ``distil``), which has no VML.
        cml: 'sinkhorn' (optimal transport between the predictions of the
            whole batch), 'released' (the same with the unconverged solver of
            the public code) or 'kl' (symmetric KL for each image).
        loss_weights: Weights of the terms where they differ from: ce 1; cml
            8, with 'kl' 1; vsd, vcd and vml 1, with kl_mode='released' 2, 2
            and 0. A term of weight 0 is left out.
        label_smoothing: Share of the target spread over all identities.
    """

    ramp: Tensor

    def __init__(
        self,
        feature_channels: Mapping[str, int],
        num_classes: int,
        kl_mode: str = 'paper',
        cml: str = 'sinkhorn',
        loss_weights: Mapping[str, float] | None = None,
        label_smoothing: float = 0.1,
    ) -> None:
        super().__init__()
        require(self, num_classes >= 1, 'num_classes >= 1', num_classes)
        modes, solvers = tuple(KL_WEIGHTS), tuple(CML_WEIGHTS)
        require(self, kl_mode in modes, f'kl_mode one of {modes}', kl_mode)
        require(self, cml in solvers, f'cml one of {solvers}', cml)
        unknown = sorted(set(loss_weights or {}) - set(TERMS))
        require(self, not unknown, f'loss_weights of {TERMS}', unknown)
        missing = sorted(NEEDED - set(feature_channels))
        if missing:
            raise ValueError(
                'VariationalDistillationHead needs a neck with the features '
                f'{missing}, such as MutualBottleneckNeck; it has '
                f'{list(feature_channels)}'
            )
        self.num_classes = num_classes
        self.kl_mode = kl_mode
        self.cml = cml
        self.loss_weights = {
            'ce': 1.0,
            'cml': CML_WEIGHTS[cml],
            **KL_WEIGHTS[kl_mode],
            **(loss_weights or {}),
        }
        self.observation = nn.ModuleDict()
        self.representation = nn.ModuleDict()
        for kind, classifiers, build in (
            ('obs', self.observation, nn.Linear),
            ('rep', self.representation, _two_layers),
        ):
            for name in NETWORKS:
                length = feature_channels[f'{kind}_{name}']
                classifier = build(length, num_classes)
                classifiers[name] = classifier.apply(_init_classifier)
        self.criterion = IdentityCrossEntropyLoss(label_smoothing)
        self.register_buffer('ramp', torch.ones(()), persistent=False)

    def forward(self, features: Tensors) -> Tensors:
        """Logits ``(B, num_classes)`` of each feature, under its name."""
        return {
            f'{kind}_{branch}': at_least_fp32(
                classifiers[network](features[f'{kind}_{branch}'])
            )
            for kind, classifiers in (
                ('obs', self.observation),
                ('rep', self.representation),
            )
            for branch, network in BRANCHES.items()
        }

    def loss(self, features: Tensors, targets: Tensors) -> Tensors:
        """Compute ``loss_TERM`` of each term.

        ``accuracy`` (percent) is that of the observations; with transport,
        ``cml_marginal_error`` says how far from its end the plan is.
        """
        logits, pids = self(features), targets['pid']
        output: Tensors = {}
        # Softmax, divergences and transport in fp32.
        with torch.autocast(pids.device.type, enabled=False):
            for term, weight in self.loss_weights.items():
                if weight == 0:
                    continue
                if term == 'ce':
                    value = self._ce(logits, pids)
                elif term == 'cml':
                    value = self._cml(logits, output)
                else:
                    value = self._divergence(term, logits)
                    if self.kl_mode == 'paper':
                        value = self.ramp * value
                output[f'loss_{term}'] = weight * value
        hits = [accuracy(logits[f'obs_{branch}'], pids) for branch in BRANCHES]
        output['accuracy'] = 100 * torch.stack(hits).mean()
        return output

    def _ce(self, logits: Tensors, pids: Tensor) -> Tensor:
        """Cross-entropy of all branches."""
        total = torch.zeros((), device=pids.device)
        for name, value in logits.items():
            weight = BRANCH_WEIGHTS[name.split('_', 1)[1]]
            total = total + weight * self.criterion(value, pids)
        return total

    def _cml(self, logits: Tensors, log: Tensors) -> Tensor:
        """Mutual learning of the observations of I and of V."""
        first, second = logits['obs_infrared'], logits['obs_visible']
        if self.cml == 'kl':
            return symmetric_kl(first, second)
        # The clouds of all ranks: a transport between parts of the batch is
        # not a part of the transport.
        both = torch.stack([first, second], dim=1).softmax(dim=2)
        one, two = all_gather_with_grad(both).unbind(dim=1)
        if self.cml == 'sinkhorn':
            cost, error = transport_cost(one, two)
        else:
            cost, error = released_transport_cost(one, two)
        log['cml_marginal_error'] = error
        return cost

    def _divergence(self, term: str, logits: Tensors) -> Tensor:
        """What representations should know of observations, or each other."""

        def learn(teacher: str, student: str) -> Tensor:
            v, z = logits[f'obs_{teacher}'], logits[f'rep_{student}']
            return distil(v, z, self.kl_mode)

        if term == 'vsd':
            return learn('infrared', 'infrared') + learn('visible', 'visible')
        if term == 'vcd':
            both = learn('shared', 'shared_gray')
            return (both + learn('shared_gray', 'shared')) / 2
        return js_divergence(logits['rep_shared_gray'], logits['rep_shared'])
