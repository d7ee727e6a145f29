"""The competition's file: written from masks, decoded again, checked, compared.

layout = expected(competition, sizes, sample)              # which rows or members, in which order
write(masks, competition, layout, path)                    # CSV, zip or folder of pictures, COCO's JSON
for image, mask in read(path, competition, layout): ...    # masks back: labels, bits or instances
found = inspect(path, competition, layout, masks)          # what the competition would refuse, and what it costs
"""

from lib.submissions.checking.check import check, inspect
from lib.submissions.containers.container import read, write
from lib.submissions.layout import Layout, Row, expected

__all__ = ["Layout", "Row", "check", "expected", "inspect", "read", "write"]
