"""The batch norm between metric losses and classifiers."""

from torch import nn


def build_bnneck(
    num_features: int, weight_std: float = 0.01
) -> nn.BatchNorm1d:
    """Make the batch norm of a BNNeck, its bias 0 and frozen.

    Follows Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person
    Re-identification". The weight starts at N(1, weight_std^2): 0.01 as in
    AGW, 0 for exact ones.
    """
    layer = nn.BatchNorm1d(num_features)
    if weight_std:
        nn.init.normal_(layer.weight, mean=1.0, std=weight_std)
    nn.init.zeros_(layer.bias)
    # A parameter without gradient is skipped by optimizers, weight decay
    # included, so the bias stays exactly 0.
    layer.bias.requires_grad_(False)
    return layer
