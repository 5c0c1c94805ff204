"""Write an NFS-style model whose search has ended without closed channels."""

from mmgl.apis.pruning import run_pruning as main

if __name__ == '__main__':
    main()
