"""Lightning's Fabric and its seeding, imported without torchmetrics.

Fabric's import loads torchmetrics, and with it scipy.signal, only to compare its version for a callback that the kit
does not use: over a second of every session's start, and 60 MB.
"""

import sys

_ABSENT = object()
_loaded = sys.modules.get("torchmetrics", _ABSENT)
sys.modules.setdefault("torchmetrics", None)  # Fabric takes it for not installed
try:
    from lightning_fabric import Fabric, seed_everything
finally:
    if _loaded is _ABSENT:
        del sys.modules["torchmetrics"]

__all__ = ["Fabric", "seed_everything"]
