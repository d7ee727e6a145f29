"""What the tests of following share: a launch that follows, its run's folder, what its kernel said."""

from tests.programs import ON_T4, WITHOUT_GPU, only, wait_for

LAUNCH = (*ON_T4, *WITHOUT_GPU)


def log_of(version) -> str:
    return "".join(record["data"] for record in version.records)


def launched(server, on_kaggle, *more, **environment):
    """A launch that follows; it returns when the session has said something."""
    launcher = on_kaggle.start(*LAUNCH, *more, **environment)
    version = wait_for(lambda: server.kernels and only(server.kernels).latest, seconds=120)
    wait_for(lambda: "@progress" in log_of(version))
    return launcher, version


def the_run(on_kaggle):
    (folder,) = on_kaggle.runs.glob("2*")
    return folder
