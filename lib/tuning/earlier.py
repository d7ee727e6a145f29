"""The trials of the session that this one goes on from: they are copied into the working folder, state and all.

take(folders)                     # 5: so many trials are known; 0 for a fresh start
"""

from __future__ import annotations

import shutil

from lib import files
from lib.folders import BEST, Folders
from lib.training import resume
from lib.tuning.trials import TRIALS, all_trials

FILES = (str(BEST), "metrics.csv")
"""The best trial's, beside the trials' folders."""


def take(folders: Folders) -> int:
    """Copy what the earlier session left; how many trials it had begun.

    Raises `DataError` with the top of the mounted tree when nothing of it is mounted, `UsageError` when it was over.
    """
    outputs = resume.predecessor(folders, TRIALS)
    if outputs is None:
        return 0
    shutil.copytree(outputs / TRIALS, folders.working / TRIALS, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for name in FILES:
        if (outputs / name).is_file():
            files.copy(outputs / name, folders.working / name)
    return len(all_trials(folders.working / TRIALS))
