"""Which precisions a machine has, and TF32 on NVIDIA GPUs."""

from typing import Any

import torch


def fast_precision() -> str:
    """Name the precision that trains fastest here without losing results.

    That is 'bf16' on GPUs since Ampere and on processors that multiply it
    faster, by AMX or by the AVX-512 of AMD, 'fp16' on older GPUs with tensor
    cores, else 'fp32': on a Xeon whose AVX-512 has bf16 but which lacks AMX
    a step of a ResNet-50 took 1.4 times as long, on an EPYC 0.55.
    """
    if torch.cuda.is_available():
        major, _ = torch.cuda.get_device_capability()
        return 'bf16' if major >= 8 else 'fp16' if major == 7 else 'fp32'
    # Torch tells since 2.11.
    has: dict[str, Any] = getattr(torch.cpu, 'get_capabilities', dict)()
    by_amd = has.get('avx512_bf16') and 'AMD' in has.get('cpu_name', '')
    return 'bf16' if has.get('amx_bf16') or by_amd else 'fp32'


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
