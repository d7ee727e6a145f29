"""Stands in for an interpreter that runs a training kernel: says and leaves what training does, within a second.

server.python = quick_python(tmp_path)                  # for tests of the launcher, which do not need real weights
server.env["QUICK_KERNEL_SECONDS"] = "600"              # how long it goes on
server.env["QUICK_KERNEL_SCRIPT"] = "raise SystemExit(3)"     # what it does instead
"""

import hashlib
import json
import os
import sys
import time
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
    outputs = {
        "checkpoints/best.safetensors": b"no weights" * 1000,
        "metrics.csv": b"epoch,metric\n1,0.5\n",
        "summary.json": json.dumps({"metric": METRIC}).encode(),
    }
    entries = []
    for name, content in outputs.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(content)
        entries.append({"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    Path("manifest.json").write_text(json.dumps({"files": entries}))


if __name__ == "__main__":
    main()
