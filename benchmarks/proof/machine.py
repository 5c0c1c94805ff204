"""What the figures were measured on; run in a process of its own."""

import json
import os
import shutil
import subprocess

import cv2
import numpy
import torch

from mmgl.utils.benchmark import describe_machine
from mmgl.utils.device import device_name

QUERY = '--query-gpu=driver_version,memory.total', '--format=csv,noheader'


def driver() -> str:
    """Return version of the driver and memory of the card."""
    if not shutil.which('nvidia-smi'):
        return 'unknown'
    done = subprocess.run(
        ['nvidia-smi', *QUERY], capture_output=True, text=True, timeout=30
    )
    return (done.stdout.splitlines() or ['unknown'])[0].strip()


def describe() -> dict[str, str]:
    """Name card, driver, versions and processor."""
    card = dict(card='none: a rehearsal on a processor')
    if torch.cuda.is_available():
        card = dict(
            card=device_name(),
            driver=driver(),
            CUDA=str(torch.version.cuda),
            cuDNN=str(torch.backends.cudnn.version()),
        )
    machine, shared = describe_machine(), 'unknown'
    machine.pop('load')
    if os.path.isdir('/dev/shm'):  # workers hand their batches over in it
        shared = f'{shutil.disk_usage("/dev/shm").total / 2**30:.1f} GiB'
    return {
        **card,
        'torch': torch.__version__,
        **{key: str(value) for key, value in machine.items()},
        'shared memory': shared,
        'numpy': numpy.__version__,
        'OpenCV': cv2.__version__,
    }


if __name__ == '__main__':
    print(json.dumps(describe()))
