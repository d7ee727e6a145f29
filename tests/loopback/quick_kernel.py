"""Stands in for an interpreter that runs a training kernel: says and leaves what training does, within a second.

server.python = quick_python(tmp_path)                  # for tests of the launcher, which do not need real weights
server.env["QUICK_KERNEL_SECONDS"] = "600"              # how long it goes on
server.env["QUICK_KERNEL_SESSIONS"] = "3"               # how many sessions its epochs take
server.env["QUICK_KERNEL_SCORES"] = "1"                 # a score of its own for every bundle
server.env["QUICK_KERNEL_FAILS"] = "1"                  # how it ends, with everything written
server.env["QUICK_KERNEL_EXIT"] = "1"                   # how it ends, with nothing left
server.env["QUICK_KERNEL_SCRIPT"] = "raise SystemExit(3)"     # what it does instead
"""

import ast
import hashlib
import json
import os
import sys
import time
import zlib
from pathlib import Path

METRIC = {
    "label": "macro Dice",
    "value": 0.5,
    "epoch": 1,
    "per_class": {"land": 0.5},
    "baselines": {"empty": 0.0, "majority": 0.1},
}


def quick_python(folder: Path) -> str:
    """Write a program that takes any script and runs this module instead."""
    path = Path(folder) / "quick-python"
    path.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({__file__!r}, run_name='__main__')\n")
    path.chmod(0o755)
    return str(path)


def sessions_before() -> int:
    """What the session that this one goes on from has counted; like a kernel, it is lost without what it needs."""
    line = next(line for line in Path(sys.argv[1]).read_text().splitlines() if line.startswith("SESSION = "))
    resumes = ast.literal_eval(line.removeprefix("SESSION = "))["resumes"]
    if not resumes:
        return 0
    states = list(Path("..", "input").glob("*/*/*/checkpoints/last.ckpt"))
    named = [path for path in states if resumes in path.as_posix()]
    return int((named or states)[0].read_text())


def main() -> None:
    if script := os.environ.get("QUICK_KERNEL_SCRIPT"):
        return exec(compile(script, "script.py", "exec"), {"__name__": "__main__"})
    print("devices: CPU only", flush=True)
    end = time.monotonic() + float(os.environ.get("QUICK_KERNEL_SECONDS", "0.5"))
    step = 0
    while time.monotonic() < end:
        step += 1
        print(
            "@progress " + json.dumps({"epoch": 1, "epochs": 9, "step": step, "steps": 9999, "seconds": 1.0}),
            flush=True,
        )
        time.sleep(0.1)
    if os.environ.get("QUICK_KERNEL_EXIT"):
        sys.exit(int(os.environ["QUICK_KERNEL_EXIT"]))
    done = sessions_before() + 1
    finished = done >= int(os.environ.get("QUICK_KERNEL_SESSIONS", "1"))
    print(f"session {done}", flush=True)
    score = zlib.crc32(Path(sys.argv[1]).read_bytes()) / 2**32 if "QUICK_KERNEL_SCORES" in os.environ else 0.5
    summary = {"metric": METRIC | {"value": score}, "finished": finished, "epochs_done": done}
    outputs = {
        "checkpoints/best.safetensors": b"no weights" * 1000,
        "metrics.csv": b"epoch,metric\n1,0.5\n",
        "summary.json": json.dumps(summary).encode(),
        **({} if finished else {"checkpoints/last.ckpt": str(done).encode()}),
    }
    entries = []
    for name, content in outputs.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(content)
        entries.append({"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    Path("manifest.json").write_text(json.dumps({"files": entries}))
    sys.exit(int(os.environ.get("QUICK_KERNEL_FAILS", "0")))


if __name__ == "__main__":
    main()
