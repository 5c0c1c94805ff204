"""Score exported features (docs/evaluation.md)."""

from mmgl.apis.scoring import run_scoring as main

if __name__ == '__main__':
    main()
