"""Export a model and use it without torch.

    python examples/export.py WEIGHTS IMAGE [IMAGE ...]

Writes `visible.onnx` and `infrared.onnx` and compares the images as visible
ones by ONNX Runtime alone; resizing stays with the user.
"""

import argparse

import cv2
import numpy as np
import onnxruntime

from mmgl.apis.exporting import export


def read(path: str, height: int, width: int) -> np.ndarray:
    """Read an image as the network takes it: RGB, uint8."""
    return cv2.resize(cv2.imread(path), (width, height))[..., ::-1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('weights')
    parser.add_argument('images', nargs='+')
    parser.add_argument('--out', default='exported')
    args = parser.parse_args()
    for report in export(args.weights, args.out, 'onnx'):
        print(
            f'{report["file"]}: differs by {report["difference"]:.1e} at most'
        )
    session = onnxruntime.InferenceSession(f'{args.out}/visible.onnx')
    _, height, width, _ = session.get_inputs()[0].shape
    pixels = np.stack([read(path, height, width) for path in args.images])
    (features,) = session.run(None, {'images': pixels})
    print(np.round(features @ features.T, 3))


if __name__ == '__main__':
    main()
