"""A service over all photographs, called without a network."""

import pytest
from served import LOCAL, files

from mmgl.gallery.gallery import Gallery


@pytest.fixture
def start(embedder, tmp_path, photographs):
    """Start services; the gallery holds all photographs by their path."""
    pytest.importorskip('fastapi')
    from fastapi.testclient import TestClient

    from mmgl.serving.app import create_app
    from mmgl.serving.settings import Settings

    clients = []

    def begin(gallery=True, **settings):
        opened = None
        if gallery:
            opened = Gallery.open(tmp_path / 'p.db', embedder.model_hash)
            paths = files(photographs)
            opened.upsert(
                embedder.embed(paths, 'visible'),
                [str(path.relative_to(photographs)) for path in paths],
                [
                    dict(camera=path.parent.name, time=100.0 + i)
                    for i, path in enumerate(paths)
                ],
            )
        app = create_app(embedder, opened, Settings(**settings))
        client = TestClient(app, base_url=LOCAL)
        client.__enter__()
        clients.append(client)
        return client

    yield begin
    for client in clients:
        client.__exit__(None, None, None)
