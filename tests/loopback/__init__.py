"""A server on 127.0.0.1 that behaves like Kaggle's API, down to really running the kernels it is sent.

The official client cannot tell it apart: same routes, same answers, same refusals, same odd corners. Point
the client's endpoint at `server.url` and nothing leaves this machine:

    with KaggleServer(tmp_path) as server:
        server.datasets["balraj98/deepglobe"] = folder_of_tiles
        server.faults.add("GetKernelSessionStatus", Refuse(429, retry_after="1"), times=2)
        env = os.environ | server.client_env(tmp_path / "home")
        subprocess.run([sys.executable, "launch.py", "--gpu", "t4x2"], env=env)
        assert server.kernels["deepglobe-train"].latest.status == "COMPLETE"

server.py         sockets, routes, credentials
exchange.py       one request and its answer; the shape of an error
kernels.py        pushing, watching, listing and deleting kernels
sessions.py       one version of a kernel and the process that runs it
quotas.py         hours and slots
datasets.py       data sets and models: there or not, READY or not
mounts.py         data sources, and where they appear below /kaggle/input
datasets.py       private data sets: uploaded, made, READY after a while
competitions.py   submissions and their scores
signed_urls.py    downloads and uploads
faults.py         misbehaviour on command
quick_kernel.py   an interpreter whose kernels last a second, for tests of the launcher alone
"""

from .competitions import Competition, Submission
from .faults import (
    EMPTY,
    UNKNOWN_STATUS,
    CutLog,
    CutUpload,
    Expired,
    Faults,
    HtmlPage,
    Late,
    Refuse,
    Replace,
    Reset,
    Slow,
    Stall,
    Truncate,
    WrongBytes,
)
from .kernels import Kernel
from .server import KaggleServer
from .sessions import Version

__all__ = [
    "EMPTY",
    "UNKNOWN_STATUS",
    "Competition",
    "CutLog",
    "CutUpload",
    "Expired",
    "Faults",
    "HtmlPage",
    "KaggleServer",
    "Kernel",
    "Late",
    "Refuse",
    "Replace",
    "Reset",
    "Slow",
    "Stall",
    "Submission",
    "Truncate",
    "Version",
    "WrongBytes",
]
