"""Swath: a segmentation competitor's kit, from a laptop to the leaderboard.

This package travels with the kernel: everything in it but `lib.launching` is packed into the one file
that runs inside a session. One room a folder; `README.md` has the map.
"""

__version__ = "0.1.0"
