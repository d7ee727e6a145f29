"""Accelerator hours a week and sessions at a time.

    server.gpu_hours_left = 0    # "Maximum weekly GPU quota of 30.00 hours reached."
    server.gpu_slots = 1         # "Maximum batch GPU session count of 1 reached." while one is going
    server.gpu_hours_reserved    # hours of what is left that running sessions have spoken for

The refusals are what the next push to a GPU is told, with HTTP 200.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

GPU_HOURS, TPU_HOURS = 30.0, 20.0
TPU_SLOTS = 1


def refusal(server: Any, accelerator: str) -> str:
    """Why there is no session of this kind ("GPU", "TPU", "CPU") to be had now; "" if there is."""
    if accelerator == "GPU" and server.gpu_hours_left <= 0:
        return f"Maximum weekly GPU quota of {GPU_HOURS:.2f} hours reached."
    slots = {"GPU": server.gpu_slots, "CPU": server.cpu_slots, "TPU": TPU_SLOTS}[accelerator]
    versions = [version for kernel in server.kernels.values() for version in kernel.versions]
    if sum(version.active and version.accelerator == accelerator for version in versions) >= slots:
        return f"Maximum batch {accelerator} session count of {slots} reached."
    return ""


def statistics(gpu_hours_left: float, gpu_hours_reserved: float = 0.0) -> dict[str, Any]:
    """The answer of GetAcceleratorQuotaStatistics; the week ends on Saturday at midnight UTC.

    The durations are written out here because the client's own serializer drops whole days.
    """
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    refresh = today + timedelta(days=(4 - today.weekday()) % 7 + 1)
    return {
        "quotaRefreshTime": refresh.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "gpuQuota": _quota(GPU_HOURS - gpu_hours_left, GPU_HOURS, gpu_hours_reserved),
        "tpuQuota": _quota(0, TPU_HOURS),
    }


def _quota(used: float, allowed: float, reserved: float = 0.0) -> dict[str, str]:
    """A session may go on for what is allowed, less what is used, less what is reserved."""
    seconds = {"timeUsed": f"{used * 3600:.3f}s", "totalTimeAllowed": f"{allowed * 3600:.0f}s"}
    return {"timeReserved": f"{reserved * 3600:.0f}s", **seconds}
