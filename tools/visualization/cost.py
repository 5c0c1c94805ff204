"""Draw accuracy against the cost of pre-training."""

from mmgl.apis.curves import run_cost as main

if __name__ == '__main__':
    main()
