"""Reading an image from a pack."""

from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS

from ..packed import PackedImages


@TRANSFORMS.register_module()
class LoadPackedImage(BaseTransform):
    """Read an image as the loading steps of a pipeline left it.

    A data set puts it in place of ``LoadImageFromFile`` and ``PILResize`` if
    it is told its folder by ``packed``, and adds the required keys.

    Required keys: ``packed_row`` and ``ori_shape``. Added: ``img``, uint8
    ``(H, W, 3)`` BGR, and the keys that the replaced steps set.

    Args:
        folder: Folder of the pack, see :mod:`mmgl.datasets.packed`.
    """

    def __init__(self, folder: str) -> None:
        self.images = PackedImages(folder)

    def transform(self, results: dict) -> dict:
        """Set ``results['img']``."""
        img = self.images[results['packed_row']]
        height, width = img.shape[:2]
        old_height, old_width = results['ori_shape']
        results.update(
            img=img,
            img_shape=(height, width),
            scale=(width, height),
            scale_factor=(width / old_width, height / old_height),
            keep_ratio=False,
        )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(folder={self.images.folder!r})'
