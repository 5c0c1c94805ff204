"""Decode and resize the images of a data set once, into a mapped file.

Example:
    python tools/dataset_converters/pack_dataset.py --root data/SYSU-MM01 \
        --layout sysu --out data/packed/sysu_288x144 --workers 8
    python tools/train.py CONFIG --cfg-options \
        train_dataloader.dataset.packed=data/packed/sysu_288x144
    python tools/dataset_converters/pack_dataset.py \
        --out data/packed/sysu_288x144 --verify
"""

from mmgl.apis.packing import run_packing as main

if __name__ == '__main__':
    main()
