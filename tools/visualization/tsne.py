"""Draw t-SNE of features."""

from mmgl.apis.pictures import run_tsne as main

if __name__ == '__main__':
    main()
