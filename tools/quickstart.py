"""Pre-train, fine-tune and evaluate on embedded data in one command."""

import sys

from mmgl.experiments.commands import run_quickstart

if __name__ == '__main__':
    sys.exit(run_quickstart())
