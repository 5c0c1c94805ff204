"""TF32, the reduced precision of fp32 products on NVIDIA GPUs."""

import torch


def allow_tf32(allowed: bool | None) -> None:
    """Choose for the process whether fp32 products may use TF32.

    It keeps 10 of the 23 bits behind the point. As torch starts,
    convolutions use it and products of matrices do not, which None leaves as
    it is. torch.compile reads the same settings; torch's newer
    ``fp32_precision`` must not be used beside them.
    """
    if allowed is None:
        return
    if not isinstance(allowed, bool):
        raise ValueError(
            f'env_cfg.tf32 must be True, False or None, got {allowed!r}'
        )
    torch.set_float32_matmul_precision('high' if allowed else 'highest')
    torch.backends.cudnn.allow_tf32 = allowed
