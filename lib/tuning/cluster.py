"""Ray on this machine, without anything that a search does not need; or the cluster that `RAY_ADDRESS` names.

    with running(slots=2, gpus=1, temp=folders.root / "temp") as cluster:
        cluster.gpus

A local Ray asks nothing of the network, and ends with the process that started it, however that ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from lib.errors import Failed, UsageError
from lib.folders import PROJECT

ADDRESS = "RAY_ADDRESS"

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # it would end a trial's small actor, not the training that is large
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Ray's own variables: they are read when it is imported."""

OBJECTS = 80 * 2**20
"""Bytes of Ray's object store: the least that it takes. Trials exchange numbers."""

LONGEST_TEMP = 40
"""Bytes of the folder's name: below it Ray opens sockets, whose paths may have 107."""

TRAVELS = ("lib", "kernels", "site")
"""What trials on other machines run."""


@contextlib.contextmanager
def running(slots: int, gpus: int, temp: Path) -> Iterator[int]:
    """Start Ray with `slots` places for trials, or connect to a cluster; yields how many GPUs there are.

    `gpus`: of this machine; a cluster says its own. Raises `UsageError` when the cluster does not answer, `Failed` when
    Ray does not start here.
    """
    address = os.environ.get(ADDRESS)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not address:  # a token for this search alone, and no file of it in the home folder
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray
    folder = None
    quiet = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    try:
        if address:
            working = {"working_dir": str(PROJECT), "excludes": _stays(PROJECT)}
            try:
                ray.init(address=address, runtime_env=working, **quiet)
            except (ConnectionError, ValueError, RuntimeError) as error:
                reason = str(error).strip().splitlines()[0]
                raise UsageError(f"{ADDRESS}={address}: {reason}", "ray start --head, or leave it out") from None
        else:
            is_short = len(os.fsencode(temp)) <= LONGEST_TEMP
            folder = Path(tempfile.mkdtemp(prefix="ray-", dir=temp if is_short and temp.is_dir() else None))
            try:
                ray.init(
                    address="local",
                    num_cpus=slots,
                    num_gpus=gpus,
                    include_dashboard=False,
                    object_store_memory=OBJECTS,
                    _temp_dir=str(folder),
                    _node_ip_address="127.0.0.1",
                    **quiet,
                )
            except (ConnectionError, ValueError, RuntimeError, OSError) as error:
                raise Failed(f"Ray did not start on this machine: {str(error).strip().splitlines()[0]}") from None
        for name in ("ray", "ray.tune", "ray.train", "optuna"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield int(ray.cluster_resources().get("GPU", 0))
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _stays(project: Path) -> list[str]:
    """What of the project's folder trials on other machines do not need, as gitignore spells it."""
    return [f"/{path.name}" for path in project.iterdir() if path.name not in TRAVELS] + ["__pycache__"]
