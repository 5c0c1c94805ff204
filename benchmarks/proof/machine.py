"""What the figures were measured on; run in a process of its own."""

import json
import os
import shutil
import subprocess

from mmgl.utils.benchmark import describe_machine
from mmgl.utils.device import device_name

NVIDIA_SMI = (
    'nvidia-smi',
    '--query-gpu=driver_version,memory.total',
    '--format=csv,noheader',
)


def driver() -> str:
    """Return version of the driver and memory of the card."""
    if not shutil.which(NVIDIA_SMI[0]):
        return 'unknown'
    done = subprocess.run(
        NVIDIA_SMI, capture_output=True, text=True, timeout=30, check=False
    )
    return (done.stdout.splitlines() or ['unknown'])[0].strip()


def shared_memory() -> str:
    """Return the size of what workers hand their batches over in."""
    if not os.path.isdir('/dev/shm'):
        return 'unknown'
    return f'{shutil.disk_usage("/dev/shm").total / 2**30:.1f} GiB'


def describe() -> dict[str, str]:
    """Name card, driver, versions and processor."""
    import cv2
    import numpy
    import torch

    card = dict(card='none: a rehearsal on a processor')
    if torch.cuda.is_available():
        card = dict(
            card=device_name(),
            driver=driver(),
            CUDA=str(torch.version.cuda),
            cuDNN=str(torch.backends.cudnn.version()),
        )
    machine = describe_machine()
    machine.pop('load')
    return {
        **card,
        'torch': torch.__version__,
        **{key: str(value) for key, value in machine.items()},
        'shared memory': shared_memory(),
        'numpy': numpy.__version__,
        'OpenCV': cv2.__version__,
    }


if __name__ == '__main__':
    print(json.dumps(describe()))
