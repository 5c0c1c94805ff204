"""Starting the tools as a user would, on tiny data with tiny networks."""

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass

import torch

from mmgl.utils.paths import config_dir, tool_dir

TIMEOUT = 300
PRETRAIN = 'mmgl/pretrain/mmgl_agw_r18-narrow_synthetic.py'
FINETUNE = 'mmgl/finetune/agw_r18-narrow_synthetic.py'


def config(leaf):
    return str(config_dir() / leaf)


def pretrain_options(root, epochs=1, workers=0, iters=6):
    """Options for epochs of a few steps with 8 + 8 images."""
    return dict(
        {
            'train_dataloader.batch_size': 16,
            'train_dataloader.sampler.batch_size': 16,
            'train_dataloader.sampler.num_pairs_per_epoch': 8 * iters,
            'val_dataloader.dataset.data_root': root,
            'val_dataloader.num_workers': workers,
            'train_cfg.val_interval': 1,
        },
        **_common(root, epochs, workers),
    )


def finetune_options(root, epochs=1, workers=0, iters=6):
    """Options for epochs of a few steps with 4 ids of 2 + 2 images."""
    return dict(
        {
            'train_dataloader.batch_size': 16,
            'train_dataloader.sampler.num_ids': 4,
            'train_dataloader.sampler.num_instances': 2,
            'train_dataloader.sampler.num_iters': iters,
            'test_dataloader.dataset.data_root': root,
            'test_dataloader.num_workers': workers,
            'model.heads.id.num_classes': 12,
        },
        **_common(root, epochs, workers),
    )


def _common(root, epochs, workers):
    return {
        'train_dataloader.dataset.data_root': root,
        'train_dataloader.num_workers': workers,
        'train_cfg.max_epochs': epochs,
        'model.backbone.base_channels': 8,
        # The running statistics of a dozen steps would lag behind at 0.1,
        # and the cubic non-local blocks of AGW blow the difference up.
        'optim_wrapper.optimizer.lr': 0.01,
        'default_hooks.logger.interval': 1,
    }


def cfg_options(options):
    return ['--cfg-options', *(f'{k}={v}' for k, v in options.items())]


def environment(**variables):
    """One thread, no GPU, and this package whether installed or not.

    What is given has the last word.
    """
    root = str(tool_dir().parent)
    path = os.pathsep.join(
        p for p in (root, os.environ.get('PYTHONPATH')) if p
    )
    return dict(
        os.environ,
        PYTHONPATH=path,
        PYTHON=sys.executable,
        PYTHONUNBUFFERED='1',
        OMP_NUM_THREADS='1',
        **{'CUDA_VISIBLE_DEVICES': '', **variables},
    )


def run_tool(tool, *arguments, cwd, **variables):
    """Run a tool to its end; its output, of both streams, must be read."""
    path = str(tool_dir() / tool)
    interpreter = 'bash' if tool.endswith('.sh') else sys.executable
    return subprocess.run(
        [interpreter, path, *map(str, arguments)],
        cwd=cwd,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )


def succeed(tool, *arguments, cwd, **variables):
    done = run_tool(tool, *arguments, cwd=cwd, **variables)
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def kill_at(line, tool, *arguments, cwd):
    """Start a tool and SIGKILL it, workers and all, at a line of its log."""
    pattern = re.compile(line)
    process = subprocess.Popen(
        [sys.executable, str(tool_dir() / tool), *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    seen = []
    try:
        for text in process.stdout:
            seen.append(text)
            if pattern.search(text):
                break
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        seen += process.stdout.readlines()
        process.stdout.close()
        code = process.wait(TIMEOUT)
    log = ''.join(seen)
    assert pattern.search(log), log[-5000:]
    assert code == -signal.SIGKILL, f'ended by itself with {code}'
    return log


def load(path):
    """A checkpoint of a Runner, with its optimizer and message hub."""
    return torch.load(path, map_location='cpu', weights_only=False)


def free_port():
    """Find a port for ``dist_train.sh``, of those nobody listens at."""
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return str(server.getsockname()[1])


def differences(one, other, path=''):
    """Paths at which two nested structures differ in any bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other}, key=str)
        return [
            found
            for key in keys
            for found in differences(
                one.get(key), other.get(key), f'{path}.{key}'
            )
        ]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return [path]
        return [
            found
            for n, (a, b) in enumerate(zip(one, other, strict=True))
            for found in differences(a, b, f'{path}.{n}')
        ]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if torch.equal(one, other) else [path]
    return [] if one == other else [path]


@dataclass
class Trained:
    """A finished run: its folder, last checkpoint and options."""

    work_dir: object
    checkpoint: object
    options: dict
