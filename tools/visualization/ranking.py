"""Draw queries and their best matches."""

from mmgl.apis.commands import run_ranking as main

if __name__ == '__main__':
    main()
