"""Two and four processes on parts of a batch against one on the whole.

Pre-training and AGW on small networks; every other method from its config is
in test_distributed_methods.py and test_distributed_rivals.py.
"""

import pytest
import torch
from distributed_parts import (
    check_same_step,
    mean_step,
    step_on_ranks,
    without_chance,
)
from small_models import MODELS_UNDER_TEST, global_batch

from mmgl.registry import MODELS


def step(rank, world, name):
    """A step on this rank's share of the batch."""
    torch.manual_seed(0)
    model = without_chance(MODELS.build(MODELS_UNDER_TEST[name]).train())
    images, samples = global_batch()
    size = len(images) // world
    share = slice(rank * size, (rank + 1) * size)
    data = model.data_preprocessor(
        dict(inputs=images[share], data_samples=samples[share]), True
    )
    torch.manual_seed(1)
    return mean_step(model, data, world)


@pytest.mark.parametrize('world', [2, 4])
@pytest.mark.parametrize('name', list(MODELS_UNDER_TEST))
def test_same_loss_and_gradient_as_one_process(name, world, tmp_path):
    check_same_step(
        step(0, 1, name), step_on_ranks(tmp_path, world, step, name)
    )
