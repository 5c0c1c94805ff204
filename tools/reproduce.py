"""Run the experiments of the paper's tables and figures."""

import sys

from mmgl.experiments.commands import run_reproduction

if __name__ == '__main__':
    sys.exit(run_reproduction())
