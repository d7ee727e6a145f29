"""Swath: a segmentation competitor's kit, from a laptop to the leaderboard.

This package travels with the kernel: everything in it but `lib.launching` is packed into the one file
that runs inside a session. One room a folder; `README.md` has the map.
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
"""Torch on a CPU takes large arrays in huge pages, where Linux has them: a forward pass spends a quarter of its time
on small ones. Read at torch's first allocation."""

__version__ = "0.1.0"
