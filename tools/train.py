"""Pre-train or fine-tune: python tools/train.py CONFIG [options]."""

from mmgl.apis.commands import run_training

if __name__ == '__main__':
    run_training()
