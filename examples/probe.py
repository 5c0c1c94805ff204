"""Ask what a pre-trained backbone knows of persons, without fine-tuning.

    python examples/probe.py DATA_ROOT [CHECKPOINT]

Features of persons that were not trained on; a linear classifier learns them
in one modality and names them in the other (docs/probe.md has all figures).
"""

import argparse

import mmgl
from mmgl.apis.features import extract_features
from mmgl.evaluation.probe import knn_accuracy, linear_accuracy

CONFIG = 'pretrain/mmgl_two-stream_r18-narrow_synthetic'


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('data_root')
    parser.add_argument('checkpoint', nargs='?', default='random')
    args = parser.parse_args()
    cfg = mmgl.get_config(CONFIG)
    found = extract_features(cfg, args.checkpoint, data_root=args.data_root)
    images = found.images
    visible, infrared = images.modality == 0, images.modality == 1
    for name, (known, asked) in {
        'visible to infrared': (visible, infrared),
        'infrared to visible': (infrared, visible),
    }.items():
        sides = (
            images.features[known], images.pids[known],
            images.features[asked], images.pids[asked],
        )  # fmt: skip
        for kind, measure in (
            ('linear', linear_accuracy),
            ('k-NN', knn_accuracy),
        ):
            right, chance = measure(*sides)
            print(f'{name}, {kind}: {right:.1%} (chance {chance:.1%})')


if __name__ == '__main__':
    main()
