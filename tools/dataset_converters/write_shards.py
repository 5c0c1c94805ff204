"""Write tar shards for streamed pre-training, or an index of existing ones.

Example:
    python tools/dataset_converters/write_shards.py --root data/SYSU-MM01 \
        --layout sysu --split train --out data/shards
    python tools/dataset_converters/write_shards.py \
        --index data/shards/visible.json data/shards/visible-*.tar
"""

from mmgl.apis.sharding import run_sharding as main

if __name__ == '__main__':
    main()
