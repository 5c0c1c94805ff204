"""Reading an image from a pack."""

from mmgl.registry import TRANSFORMS

from ..packed import PackedImages
from ..types import Results
from .base import Transform, resized


@TRANSFORMS.register_module()
class LoadPackedImage(Transform):
    """Read an image as the loading steps of a pipeline left it.

    A data set puts it in place of ``LoadImageFromFile`` and ``PILResize`` if
    it is told its folder by ``packed``, and adds the required keys.

    Required keys: ``packed_row`` and ``ori_shape``. Added: ``img``, uint8
    ``(H, W, 3)`` BGR, and the keys that the replaced steps set.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._images = PackedImages(folder)

    def transform(self, results: Results) -> Results:
        """Set ``results['img']``."""
        img = self._images[results['packed_row']]
        results.update(resized(img, results['ori_shape']))
        return results
