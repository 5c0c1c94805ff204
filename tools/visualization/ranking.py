"""Draw queries and their best matches."""

from mmgl.apis.pictures import run_ranking as main

if __name__ == '__main__':
    main()
