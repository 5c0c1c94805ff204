"""Draw t-SNE of features."""

from mmgl.apis.commands import run_tsne as main

if __name__ == '__main__':
    main()
