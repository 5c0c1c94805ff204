"""Names of the types that the data sets and their transforms share."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

# uint8 or float32, (H, W) or (H, W, C), BGR.
Image: TypeAlias = npt.NDArray[Any]
Ints: TypeAlias = npt.NDArray[np.int64]
# What is known of an image; each transform takes and returns one.
Results: TypeAlias = dict[str, Any]
# Transforms or their configs.
Steps: TypeAlias = Sequence[dict[str, Any] | Callable[..., Any]]
