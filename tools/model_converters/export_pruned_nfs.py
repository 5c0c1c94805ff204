"""Write an NFS-style model whose search has ended without closed channels."""

from mmgl.apis.commands import run_pruning as main

if __name__ == '__main__':
    main()
