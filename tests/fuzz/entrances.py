"""Every place at which a checkpoint comes in, and how to knock there."""

import functools
import http.server
import os
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch

from mmgl.evaluation.documents import read_report

from .base import AGW, NFS

Entrance = Callable[[Path, Path, Path], object]  # base, file, folder


class ToolError(Exception):
    """What the user of a tool sees as a traceback; its cause says more."""


class Refusal(Exception):
    """What a tool reports as a problem of the data, with a status of 1."""


def tool(*arguments: object) -> None:
    """Run a tool as its command line does; its exit code leaves, too."""
    from mmgl.cli import main

    old = sys.argv
    try:
        code = main([str(one) for one in arguments])
    except Exception as error:
        raise ToolError from error
    finally:
        sys.argv = old
    if code:
        raise SystemExit(code)


def digest(state: dict) -> list:
    """Names, and sums that tell one bit."""
    return [
        (name, str(value.dtype), hash(value.numpy().tobytes()))
        for name, value in state.items()
    ]


def _test(base: Path, file: Path, folder: Path) -> object:
    out = folder / 'metrics.json'
    work = '--work-dir', folder / 'work'
    tool('test', base / AGW, file, '--out', out, *work)
    return read_report(out)[0]


def _train(*given: str) -> Entrance:
    """Train a step; ``FILE`` stands for the file, ``URL`` for its address."""

    def run(base: Path, file: Path, folder: Path) -> None:
        url = f'{_server(base)}/{file.relative_to(base)}'
        os.environ['TORCH_HOME'] = str(folder)  # keeps what was fetched
        names = [
            g.replace('FILE', str(file)).replace('URL', url) for g in given
        ]
        tool('train', base / AGW, '--work-dir', folder / 'work', *names)

    return run


@functools.cache
def _server(base: Path) -> str:
    """Serve what lies in the folders below the base."""
    handler = functools.partial(_Silent, directory=base)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f'http://127.0.0.1:{server.server_port}'


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _drawing(name: str) -> Entrance:
    def run(base: Path, file: Path, folder: Path) -> None:
        out = '--out', folder / 'a.png'
        tool(name, file, '--config', base / AGW, '--split', 'test', *out)

    return run


def _probe(base: Path, file: Path, folder: Path) -> None:
    tool('probe', base / AGW, file, '--split', 'test')


def _convert(base: Path, file: Path, folder: Path) -> None:
    tool('convert', 'resnet', file, folder / 'out.pth', '--reverse')


def _export_pruned(base: Path, file: Path, folder: Path) -> None:
    given = base / NFS, file, folder / 'out.pth'
    tool('export-pruned', *given, '--size', 96, 48)


def _build_model(base: Path, file: Path, folder: Path) -> object:
    import mmgl

    return digest(mmgl.build_model(base / AGW, file).state_dict())


def _load_checkpoint(base: Path, file: Path, folder: Path) -> object:
    import mmgl

    model = _model(base)
    mmgl.load_checkpoint(model, file)
    return digest(model.state_dict())


@functools.cache
def _model(base: Path) -> torch.nn.Module:
    import mmgl

    torch.manual_seed(0)
    return mmgl.build_model(base / AGW)


def _extract(base: Path, file: Path, folder: Path) -> None:
    from mmgl.apis.features.extraction import extract_features
    from mmgl.config.loading import load_config

    cfg, how = load_config(base / AGW), dict(split='test', feature='test')
    extract_features(cfg, str(file), **how)


def _backbone(base: Path, file: Path, folder: Path) -> object:
    from mmgl.apis.features.network import build_backbone
    from mmgl.config.loading import load_config

    network, _ = build_backbone(load_config(base / AGW), str(file))
    return digest(network.state_dict())


def _export(base: Path, file: Path, folder: Path) -> object:
    from mmgl.checkpoints.export import export_backbone
    from mmgl.checkpoints.reader import read_state_dict

    out = export_backbone(file, folder / 'out.pth')
    return digest(read_state_dict(out))


def _meta(base: Path, file: Path, folder: Path) -> object:
    from mmgl.checkpoints.reader import read_checkpoint

    return str(read_checkpoint(file)['meta'])[:50]


def _embedder(base: Path, file: Path, folder: Path) -> object:
    import mmgl

    found = mmgl.Embedder(file, config=base / AGW).network
    return digest(found.weights.build().state_dict())


def _publish(base: Path, file: Path, folder: Path) -> None:
    words = '--config', base / AGW, '--data-licence', 'free'
    tool('publish', file, folder / 'out', *words)


def _load_pruned(base: Path, file: Path, folder: Path) -> object:
    from mmgl.models.pruning import load_pruned

    return digest(load_pruned(file).state_dict())


# Those that give the tensors back, fast enough for many damaged files.
READERS = 'load_checkpoint', 'build_backbone', 'export_backbone'
# Those whose file is of a kind of its own.
PRUNED = 'load_pruned'
# Those that need not look at all tensors, or do not know them.
PARTIAL = 'read_checkpoint', 'convert', 'export_backbone', PRUNED
# It may refuse whatever there is.
REMOTE = 'train load_from=http'

INIT = '--init', 'mmgl', '--init-checkpoint', 'FILE'
LONGER = '--cfg-options', 'train_cfg.max_epochs=2'
# The only list of them; the first ones are tried in the short form.
ENTRANCES: dict[str, Entrance] = {
    'load_checkpoint': _load_checkpoint,
    'load_pruned': _load_pruned,
    'train --resume': _train('--resume', 'FILE', *LONGER),
    'train load_from': _train('--cfg-options', 'load_from=FILE'),
    REMOTE: _train('--cfg-options', 'load_from=URL'),
    'test': _test,
    'train --init-checkpoint': _train(*INIT),
    'probe': _probe,
    'tsne': _drawing('tsne'),
    'ranking': _drawing('ranking'),
    'convert': _convert,
    'export-pruned': _export_pruned,
    'build_model': _build_model,
    'extract_features': _extract,
    'build_backbone': _backbone,
    'export_backbone': _export,
    'read_checkpoint': _meta,
    'Embedder': _embedder,
    'publish': _publish,
}
if find_spec('pytorch_grad_cam'):
    ENTRANCES['activation'] = _drawing('activation')
