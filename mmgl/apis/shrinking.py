"""Smaller exported networks: weights in fp16, or all of it in int8."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mmgl.utils.errors import ConfigError
from mmgl.utils.files import replace_whole

from .inference.sources import Images, Picture, expand
from .inference.weights import Weights

# Smaller tensors gain nothing.
_WORTH_IT = 1024
# What a range of activations is measured on; more take longer.
MOST_IMAGES = 256


def pictures_of(weights: Weights, modality: int, images: Images) -> Picture:
    """Read images, evenly chosen from many, as the network takes them.

    Raises:
        ImageError: For an image that cannot be read.
    """
    sources = list(expand(images, modality))
    step = -(-len(sources) // MOST_IMAGES)
    prepare = weights.preparation()
    window = weights.window
    chosen = [prepare(source.load(window)) for source in sources[::step]]
    rgb: Picture = np.ascontiguousarray(np.stack(chosen)[..., ::-1])
    return rgb


def store_half(path: Path) -> None:
    """Store weights in half precision; sums stay fp32.

    A runtime turns them back once, when it opens the file.
    """
    import onnx
    from onnx import TensorProto, numpy_helper
    from onnx.helper import make_node

    network = onnx.load(str(path))
    graph, casts = network.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _WORTH_IT:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ConfigError('weights are too large for --fp16; leave it out')
        name = f'{tensor.name}_half'
        casts.append(
            make_node('Cast', [name], [tensor.name], to=TensorProto.FLOAT)
        )
        tensor.CopyFrom(
            numpy_helper.from_array(values.astype(np.float16), name)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    with replace_whole(path) as partial:
        onnx.save(network, str(partial))


def quantize(path: Path, pictures: Picture) -> None:
    """Compute in 8 bits, with ranges measured on pictures, RGB.

    Convolutions and products only: what is between them stays fp32, and so
    does what makes the feature.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Give the pictures one by one."""

        def __init__(self) -> None:
            self.rest = iter(pictures)

        def get_next(self) -> Any:
            """Return the next input, None at the end."""
            return next((dict(images=one[None]) for one in self.rest), None)

    with tempfile.TemporaryDirectory() as folder:
        # Folds what is constant, so that fewer places are rounded.
        simple = Path(folder) / path.name
        quant_pre_process(str(path), str(simple), skip_symbolic_shape=True)
        with replace_whole(path) as partial:
            quantize_static(
                str(simple),
                str(partial),
                Reader(),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=['Conv', 'Gemm', 'MatMul'],
            )
