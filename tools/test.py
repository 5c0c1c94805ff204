"""Evaluate a checkpoint: python tools/test.py CONFIG CHECKPOINT [options]."""

from mmgl.apis.commands import run_evaluation

if __name__ == '__main__':
    run_evaluation()
