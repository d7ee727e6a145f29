"""The competition's file: written from label maps, decoded again, checked, compared.

layout = expected(competition, sizes, sample)              # which rows or members, in which order
write(masks, competition, layout, path)                    # CSV of run lengths, or a zip of PNGs
for image, labels in read(path, competition, layout): ...  # label maps back
problems = check(path, competition, layout, masks)         # what the competition would refuse, in sentences
"""

from lib.submissions.check import check
from lib.submissions.container import read, write
from lib.submissions.layout import Layout, Row, expected

__all__ = ["Layout", "Row", "check", "expected", "read", "write"]
