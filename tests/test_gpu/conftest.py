"""Where the tests for GPUs run: on one, or on a processor if asked to."""

import os

import pytest
import torch


@pytest.fixture(scope='session')
def device():
    """'cuda'; MMGL_TEST_DEVICE=cpu rehearses on a processor."""
    wanted = os.environ.get('MMGL_TEST_DEVICE')
    if not wanted and not torch.cuda.is_available():
        pytest.skip('needs a GPU; MMGL_TEST_DEVICE=cpu rehearses without')
    return wanted or 'cuda'


@pytest.fixture
def full_fp32():
    """Leave TF32 out, whose error would hide others."""
    precision = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision('highest')
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = convolutions


@pytest.fixture
def same_noise(monkeypatch):
    """Draw Gumbel noise on the host: devices draw other numbers."""
    from mmgl.models.losses import permutation_reconstruction

    gumbel_noise = permutation_reconstruction.gumbel_noise

    def draw(shape, like):
        generator = torch.Generator().manual_seed(0)
        return gumbel_noise(shape, torch.empty(0), generator).to(like.device)

    monkeypatch.setattr(permutation_reconstruction, 'gumbel_noise', draw)
