"""What computations run on."""

import torch


def device_name() -> str:
    """Name what a training started now would run on: the first GPU or cpu."""
    if not torch.cuda.is_available():
        return 'cpu'
    return torch.cuda.get_device_name(0)
