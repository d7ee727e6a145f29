"""The words of `launch.py quota`: the week's accelerator hours, as Kaggle tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.launching import durations
from lib.launching.kaggle.account import Quota


def quota_document(quotas: Mapping[str, Quota]) -> dict[str, Any]:
    """The hours by accelerator, in lower case, and when the next week begins (UTC)."""
    refresh = next((quota.refresh for quota in quotas.values() if quota.refresh), None)
    return {
        "refresh": refresh.isoformat(timespec="seconds") if refresh else None,
        **{kind.lower(): _hours(quota) for kind, quota in quotas.items()},
    }


def quota_lines(quotas: Mapping[str, Quota]) -> list[str]:
    """A row an accelerator, and when the next week begins."""
    lines = [f"{'':<5}{'used':>8}{'reserved':>10}{'left':>8}{'allowed':>9}"]
    for kind, quota in quotas.items():
        used, reserved, left, allowed = map(durations.spell, (quota.used, quota.reserved, quota.left, quota.allowed))
        lines.append(f"{kind:<5}{used:>8}{reserved:>10}{left:>8}{allowed:>9}")
    refresh = next((quota.refresh for quota in quotas.values() if quota.refresh), None)
    return [*lines, f"the next week begins {refresh:%a %d %b %Y %H:%M} UTC"] if refresh else lines


def after_quota(quotas: Mapping[str, Quota]) -> str:
    """What to type with so many hours left."""
    gpu = quotas.get("GPU")
    return "python launch.py --gpu t4x2" if gpu and gpu.left else "python launch.py --on kaggle --gpu none"


def _hours(quota: Quota) -> dict[str, float]:
    named = {"used": quota.used, "reserved": quota.reserved, "left": quota.left, "allowed": quota.allowed}
    return {f"{name}_hours": round(seconds / 3600, 4) for name, seconds in named.items()}
