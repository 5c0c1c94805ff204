"""The service under load, stopped and killed; the Embedder's benchmark."""

import json

import pytest

for package in ('fastapi', 'uvicorn', 'safetensors'):
    pytest.importorskip(package)


@pytest.mark.slow
def test_the_service_survives_load_garbage_and_kills(tmp_path):
    """Starts five services, a minute or so."""
    import serving

    out = tmp_path / 'serving.json'
    found = serving.main(['--requests', '100', '--out', str(out)])
    assert json.loads(out.read_text()) == found
    figures = {one['name']: one for one in found['figures']}
    for name in ('load', 'garbage'):
        assert figures[f'{name}, errors']['verdict'] == 'met', figures
        assert 0 < figures[f'{name}, p50']['value'] < 60_000
    # One of the two is killed in the middle.
    for name in ('SIGTERM', 'SIGKILL'):
        lost = figures[f'{name}, acknowledged and lost']
        assert lost['value'] == 0 and not lost['note'].startswith('of 0')
    for kind in ('embed', 'search'):
        for clients in (1, 8, 32):
            assert figures[f'{kind}, {clients} clients, p95']['value'] > 0


@pytest.mark.slow
def test_the_embedder_against_its_limit():
    import embedding

    for runtime in embedding.RUNTIMES:
        pytest.importorskip(runtime)
    found = embedding.main(['--images', '12', '--repeats', '1'])
    names = [one['name'].split(', ')[1] for one in found['figures']]
    assert names[:7] == [
        *('torch fp32', 'torch bf16'),
        *('onnxruntime fp32', 'onnxruntime int8'),
        *('openvino fp32', 'openvino bf16', 'openvino int8'),
    ]
    # Once is no measurement.
    assert all(0.1 < one['value'] < 10 for one in found['figures'])
