# The code of every bundle; `bundle.py` adds KERNEL, SESSION, WEIGHTS, SHA256 and PAYLOAD below it.
import base64
import hashlib
import io
import os
import sys
import tarfile
import tempfile
import time
from pathlib import Path


def session_root() -> Path:
    """Kaggle's root, or the folder that stands in for it: the one whose src/ holds this file."""
    here = Path(__file__).resolve().parent
    if here.name == "src" and (here.parent / "working").is_dir():
        return here.parent
    if Path("/kaggle/working").is_dir():
        return Path("/kaggle")
    root = Path.cwd() / "kaggle"
    for name in ("input", "working", "temp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return root


def unpack(folder: Path) -> None:
    """Write the payload's files into `folder`, after checking that none of it was lost."""
    archive = base64.b64decode(PAYLOAD)
    if hashlib.sha256(archive).hexdigest() != SHA256:
        sys.exit("error: this file's payload is damaged: its SHA-256 is not the one in its head")
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:bz2") as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 has it first
        tar.extractall(folder)


def main() -> None:
    """Unpack outside the working folder, so that outputs stay clean, and become the kernel."""
    if sys.argv[1:2] == ["unpack"]:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else "unpacked")
        unpack(folder)
        print(f"unpacked into {folder}")
        return
    root = session_root()
    temp = root / "temp"
    payload = Path(tempfile.mkdtemp(prefix="swath-", dir=temp if os.access(temp, os.W_OK) else None))
    unpack(payload)
    environment = {
        **os.environ,
        "SWATH_ROOT": str(root),
        "SWATH_PAYLOAD": str(payload),
        "SWATH_BUNDLE": SHA256,
        "SWATH_BEGIN": repr(time.time()),
        "SWATH_LIMIT": str(SESSION["limit"] or ""),
        "SWATH_RESUMES": SESSION["resumes"] or "",
        "SWATH_WEIGHTS": WEIGHTS,
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(payload), str(payload / "site"), os.environ.get("PYTHONPATH")])
        ),
        "PYTHONUNBUFFERED": "1",
    }
    os.chdir(root / "working")
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, str(payload / "kernels" / KERNEL)], environment)
