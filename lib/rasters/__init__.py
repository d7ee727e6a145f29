"""Reading and writing pixels: images as (H, W, B), 8-bit RGB or any bands, masks as (H, W) uint8 label maps.

image = read_image(path)                       # (H, W, 3) uint8, RGB
labels = read_labels(path, competition)        # (H, W) uint8: class indices, 255 = ignored
with open_image(path, competition.images, radiometry) as image, open_labels(mask, competition, image) as labels:
    image.read(0, 512, 0, 512), labels.read(0, 512, 0, 512)      # by windows
write_labels(path, labels, competition)        # index PNG, in the competition's values
write_colours(path, labels, competition)       # colour PNG
"""

import cv2

from lib.rasters.brought_masks import BroughtMasks, masks_in
from lib.rasters.coding import Coding, colours, from_pixels, values
from lib.rasters.headers import header_size
from lib.rasters.images import PNG
from lib.rasters.labels import open_labels
from lib.rasters.mask_names import mask_files
from lib.rasters.masks import decode_mask, encode_png, read_labels, read_prediction, write_colours, write_labels
from lib.rasters.reader import open_image, read_image

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it warns of every tag of a place on the Earth

__all__ = [
    "PNG",
    "BroughtMasks",
    "Coding",
    "colours",
    "decode_mask",
    "encode_png",
    "from_pixels",
    "header_size",
    "mask_files",
    "masks_in",
    "open_image",
    "open_labels",
    "read_image",
    "read_labels",
    "read_prediction",
    "values",
    "write_colours",
    "write_labels",
]
