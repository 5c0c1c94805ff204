"""``python tests/fuzz``; other packages may bring a module ``tests``."""

import sys
from pathlib import Path

if __name__ == '__main__':
    sys.path[0] = str(Path(__file__).parents[1])
    from fuzz.campaign import main

    sys.exit(main())
