"""Labels of images: whole numbers, one a feature row."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mmgl.protocols.cross import ROLES
from mmgl.protocols.modality import MODALITY_NAMES

from .ranking import Values, to_numpy

Labels: TypeAlias = npt.NDArray[np.int64]


def check_labels(features: Any, **arrays: Values) -> list[Labels]:
    """Check labels (n,), whole from 0, of features (n, d), or ValueError."""
    shape, result = np.shape(features), []
    if not shape:
        raise ValueError('features is one number; give one row an image.')
    length = shape[0]
    for name, given in arrays.items():
        values = to_numpy(given)
        if values.shape != (length,):
            raise ValueError(
                f'{name} has shape {values.shape}, features have {length} '
                'rows: they differ in length; give one number for each row.'
            )
        # A modality may be asked as a question: is it infrared?
        kinds = 'iufb' if name == 'modality' else 'iuf'
        if values.dtype.kind not in kinds:
            raise ValueError(
                f'{name} must hold whole numbers, not {values.dtype}.'
            )
        # NaN, Inf and what does not fit in 64 bits fail this, too.
        with np.errstate(invalid='ignore'):
            wrong = ~((values % 1 == 0) & (values >= 0) & (values < 2.0**63))
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f'{name} must hold whole numbers from 0; row {row} has '
                f'{values[row]}.'
            )
        result.append(values.astype(np.int64))
        if name == 'modality' and (values >= len(MODALITY_NAMES)).any():
            raise ValueError('modality must be 0 (visible) or 1 (infrared).')
        if name == 'role' and (values > max(ROLES)).any():
            raise ValueError(
                'role must be 0, 1 (only a query) or 2 (only in the gallery).'
            )
    return result
