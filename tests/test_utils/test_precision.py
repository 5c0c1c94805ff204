import platform
import warnings

import pytest
import torch

from mmgl.utils.precision import allow_tf32, fast_precision


def settings():
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
    )


@pytest.fixture(autouse=True)
def as_before():
    precision = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = convolutions


def test_all_or_nothing_or_as_torch_has_it():
    # Deprecated settings, or a mixture with newer ones, would warn or fail.
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        before = settings()
        allow_tf32(None)
        assert settings() == before
        for allowed in (True, False, True):
            allow_tf32(allowed)
            assert settings() == (allowed, allowed)
            # As torch.compile and the ranking on a GPU read and write it.
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cuda.matmul.allow_tf32 = allowed
            assert torch.get_float32_matmul_precision() == (
                'high' if allowed else 'highest'
            )


@pytest.mark.parametrize('value', ['yes', 1, 'tf32'])
def test_other_values_are_refused(value):
    before = settings()
    with pytest.raises(ValueError, match='env_cfg.tf32 must be True'):
        allow_tf32(value)
    assert settings() == before


@pytest.mark.parametrize(
    ('capability', 'expected'),
    [((6, 1), 'fp32'), ((7, 5), 'fp16'), ((8, 0), 'bf16'), ((12, 0), 'bf16')],
)
def test_on_gpus(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(
        torch.cuda, 'get_device_capability', lambda: capability
    )
    assert fast_precision() == expected


@pytest.mark.parametrize(
    ('capabilities', 'expected'),
    [
        (dict(amx_bf16=True, cpu_name='Intel(R) Xeon(R) 6'), 'bf16'),
        (dict(avx512_bf16=True, cpu_name='Intel(R) Xeon(R) 6'), 'fp32'),
        (dict(avx512_bf16=True, cpu_name='AMD EPYC'), 'bf16'),
        (dict(avx512_bf16=False, cpu_name='AMD EPYC'), 'fp32'),
        (dict(architecture='aarch64'), 'fp32'),
    ],
)
def test_on_processors(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(
        torch.cpu, 'get_capabilities', lambda: capabilities, raising=False
    )
    assert fast_precision() == expected


def test_where_torch_does_not_tell(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.delattr(torch.cpu, 'get_capabilities', raising=False)
    assert fast_precision() == 'fp32'


def test_torch_tells_of_bf16():
    if torch.__version__ >= '2.11' and platform.machine() == 'x86_64':
        told = torch.cpu.get_capabilities()
        assert {'amx_bf16', 'avx512_bf16', 'cpu_name'} <= set(told)
