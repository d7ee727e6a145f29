"""Google's `colab` command, stood in for: its words, flags, texts and exit codes (0.7.5); machines are folders here.

A cell runs in a process of its own, one after another a machine, and goes on when the command that started it is
killed. As with the real command, an error inside a cell is exit code 0, `stop` of an unknown name is exit code 0, a
killed `new` leaves a machine without a name, and an unknown `--gpu` becomes an A100 without a word.
"""

import argparse
import base64
import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
import uuid
from pathlib import Path

WORLD = Path(os.environ.get("COLAB_WORLD", "."))
NAMES = Path(os.path.expanduser("~/.config/colab-cli/sessions.json"))
GPUS = ("A100", "H100", "L4", "T4", "G4")
TO_SIGN_IN = (
    "\nTo authorize colab-cli, visit this URL in any browser:\n\n  https://accounts.google.com/o/oauth2/auth?x\n"
)


def parser() -> argparse.ArgumentParser:
    """The commands and flags that the real one has, of those that move machines and files."""
    top = argparse.ArgumentParser(prog="colab", allow_abbrev=False)
    top.add_argument("-c", "--client-oauth-config")
    top.add_argument("--config")
    top.add_argument("--logtostderr", action="store_true")
    top.add_argument("--auth", choices=("oauth2", "adc"), default="oauth2")
    commands = top.add_subparsers(dest="command", required=True)
    for name, takes in {
        "version": (),
        "usage": (),
        "sessions": (),
        "status": ("-s",),
        "stop": ("-s",),
        "new": ("-s", "--gpu", "--tpu", "--high-mem"),
        "exec": ("-s", "-f", "--timeout", "--output-image", "--env"),
        "upload": ("-s", "local", "remote"),
        "download": ("-s", "remote", "local"),
        "ls": ("-s", "remote"),
        "rm": ("-s", "remote"),
    }.items():
        command = commands.add_parser(name, allow_abbrev=False)
        for flag in takes:
            long = {"-s": ("--session",), "-f": ("--file",)}.get(flag, ())
            kind = {"action": "store_true"} if flag == "--high-mem" else {}
            kind = {"type": float, "default": 30.0} if flag == "--timeout" else kind
            command.add_argument(flag, *long, **kind)
    return top


def main() -> int:
    if sys.argv[1:2] == ["--cell"]:
        return cell(*map(Path, sys.argv[2:5]))
    with open(WORLD / "calls.jsonl", "a") as calls:
        calls.write(json.dumps(sys.argv[1:]) + "\n")
    words = parser().parse_args()
    fault = next_fault(words.command)
    if words.command != "new":
        wait_at_gate(fault)
    if "say" in fault:
        print(fault["say"], file=sys.stderr)
        return fault.get("code", 1)
    account = json.loads((WORLD / "account.json").read_text())
    if words.command == "version":
        print(f"Version: {account['version']}")
        return 0
    if words.command not in ("stop", "exec", "upload", "download", "ls", "rm") and not account["signed_in"]:
        print(TO_SIGN_IN, file=sys.stderr)
        print("Enter the authorization code: ", end="")
        if words.command == "usage":
            print("[colab] Warning: failed to fetch compute-unit info: EOF when reading a line", file=sys.stderr)
        else:
            print("Aborted.", file=sys.stderr)
        return 1
    return globals()[f"do_{words.command}"](words, account, fault)


def next_fault(command: str) -> dict:
    """The next misbehaviour that a test has ordered for this command."""
    for path in sorted((WORLD / "faults").glob(f"*-{command}.json")):
        content = json.loads(path.read_text())
        path.unlink()
        return content
    return {}


def wait_at_gate(fault: dict) -> None:
    """Say that somebody stands there, and go on when the test says so."""
    if "gate" in fault:
        (WORLD / f"{fault['gate']}.reached").touch()
    while "gate" in fault and not (WORLD / fault["gate"]).exists():
        time.sleep(0.02)


def do_usage(words, account, fault) -> int:
    rate = 1.76 * len(assigned())
    print(f"Current balance: {account['balance']:.2f} compute units\nUsage rate: {rate:.2f}/hr")
    print(f"Active assignments: {len(assigned())}")
    return 0


def do_new(words, account, fault) -> int:
    name = words.session or uuid.uuid4().hex[:6]
    hardware = "NONE"
    if words.gpu:
        hardware = words.gpu.upper() if words.gpu.upper() in GPUS else "A100"
    print(f"[colab] Creating session '{name}'...", flush=True)
    wait_at_gate(fault)
    if len(assigned()) >= account["most"]:
        print(
            "[colab] Allocation refused (precondition failed). This can mean too many active sessions, or a temporary "
            "usage or capacity limit for the requested runtime. Run `colab stop` to free up a session, wait and retry, "
            "or try a different accelerator.",
            file=sys.stderr,
        )
        return 1
    if hardware not in account["gpus"]:
        print(
            f"[colab] Backend rejected accelerator '{hardware}'. You may not have quota or entitlement for this "
            "accelerator on your account. Try a different one (e.g. --gpu T4) or omit --gpu/--tpu for a CPU runtime.",
            file=sys.stderr,
        )
        return 1
    endpoint = f"gpu-{hardware.lower()}-{uuid.uuid4().hex[:8]}"
    machine = WORLD / "machines" / endpoint
    (machine / "content").mkdir(parents=True)
    (machine / "hardware").write_text(fault.get("gives", hardware))
    if fault.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    with names() as known:
        known[name] = endpoint
    print("[colab] Session READY.")
    return 0


def do_sessions(words, account, fault) -> int:
    with names() as known:
        stale = [name for name, endpoint in known.items() if endpoint not in assigned()]
        for name in stale:
            del known[name]
        called = {endpoint: name for name, endpoint in known.items()}
    if stale:
        print(f"[colab] Pruned {len(stale)} stale local session(s).")
    for endpoint in assigned():
        hardware = (WORLD / "machines" / endpoint / "hardware").read_text()
        variant = "DEFAULT" if hardware == "NONE" else "GPU"
        shown = "CPU" if hardware == "NONE" else hardware
        name = called.get(endpoint, "?")
        print(f"[{name}] {endpoint} | Hardware: {shown} | Shape: Standard | Variant: {variant}")
    if not assigned():
        print("[colab] No active sessions found on server.")
    return 0


def named(session):
    """The machine of a session's name; None, which the real command says in this way, when there is none."""
    machine = find(session)
    if machine is None:
        print(f"[colab] Session '{session}' not found.")
    return machine


def do_stop(words, account, fault) -> int:
    machine = named(words.session)
    if machine is None:
        return 0
    print(f"[colab] Stopping session '{words.session}'...")
    end(machine)
    with names() as known:
        del known[words.session]
    print("[colab] Session terminated.")
    return 0


def do_exec(words, account, fault) -> int:
    machine = named(words.session)
    if machine is None:
        return 1
    said = machine / f"said-{uuid.uuid4().hex[:8]}"
    said.touch()
    code = machine / f"{said.name}.py"
    shutil.copyfile(words.file, code)
    if not fault.get("unsent"):
        subprocess.Popen(
            [sys.executable, __file__, "--cell", str(machine), str(code), str(said)],
            env={**os.environ, "COLAB_MACHINE": machine.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    deadline = time.monotonic() + words.timeout
    heard = 0
    with open(said, encoding="utf-8") as file:
        while time.monotonic() < deadline:
            line = file.readline()
            if not line:
                time.sleep(0.01)
                continue
            record = json.loads(line)
            if record is None:
                return 0
            heard += 1
            if heard > fault.get("cut_after", heard):
                print("RuntimeError: Connection was lost.", file=sys.stderr)
                return 1
            if heard == fault.get("garbled"):
                record[1] = "@log {\n"
            if heard > fault.get("silent_after", heard):
                continue
            stream = sys.stderr if record[0] == "stderr" else sys.stdout
            stream.write(record[1])
            stream.flush()
    print("TimeoutError: Timeout waiting for reply", file=sys.stderr)
    return 1


def cell(machine: Path, code: Path, said: Path) -> int:
    """The machine's side of `exec`: run one cell, after those before it."""
    account = json.loads((WORLD / "account.json").read_text())
    sys.executable = account["python"]
    look = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *more: None if name in account["lacks"] else look(name, *more)
    with open(machine / "kernel.lock", "w") as lock, open(said, "a", encoding="utf-8", buffering=1) as file:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), False)
        os.chdir(machine / "content")
        sys.stdout, sys.stderr = Stream("stdout", file), Stream("stderr", file)
        try:
            exec(compile(code.read_text(), "<cell>", "exec"), {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
        file.write("null\n")
    return 0


class Stream:
    """A cell's stdout or stderr: what is written becomes messages to whoever listens."""

    def __init__(self, name: str, file) -> None:
        self.name, self.file = name, file

    def write(self, text: str) -> int:
        if text:
            self.file.write(json.dumps([self.name, text]) + "\n")
        return len(text)

    def flush(self) -> None:
        self.file.flush()


def do_upload(words, account, fault) -> int:
    machine = named(words.session)
    if machine is None:
        return 1
    target = machine / words.remote.strip("/")
    if not target.parent.is_dir():
        print(f"[colab] Upload failed: 500 Server Error: no folder for {words.remote}")
        return 1
    target.write_bytes(base64.b64decode(base64.b64encode(Path(words.local).read_bytes())))
    print(f"[colab] Uploaded '{words.local}' to '{words.remote}'")
    return 0


def do_download(words, account, fault) -> int:
    machine = named(words.session)
    if machine is None:
        return 1
    source = machine / words.remote.strip("/")
    hidden = any(part.startswith(".") for part in Path(words.remote).parts)
    if machine.name not in assigned() or hidden or not source.is_file():
        print(f"[colab] Download failed: File or directory not found: {words.remote}")
        return 1
    content = source.read_bytes()
    if fault.get("damage"):
        content = content[:-1] + b"?"
    Path(words.local).write_bytes(content)
    print(f"[colab] Downloaded '{words.remote}' to '{words.local}'")
    return 0


def assigned() -> list[str]:
    """The machines that are running."""
    return sorted(path.name for path in (WORLD / "machines").iterdir())


def find(name: str) -> Path | None:
    """The folder of a session's machine; None for a name that this home does not know."""
    with names() as known:
        endpoint = known.get(name)
    return WORLD / "machines" / endpoint if endpoint else None


def end(machine: Path, world: Path = WORLD) -> None:
    """End every process of a machine, and the machine."""
    mark = f"COLAB_MACHINE={machine.name}".encode()
    quiet = 0
    while quiet < 2:
        pids = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in environ.read_bytes().split(b"\0"):
                    pids.append(int(environ.parent.name))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if pids else quiet + 1
        time.sleep(0.005)
    (world / "gone").mkdir(exist_ok=True)
    os.replace(machine, world / "gone" / machine.name)


@contextlib.contextmanager
def names():
    """The names that this home has given to machines; what is changed is written down."""
    NAMES.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{NAMES}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = json.loads(NAMES.read_text()) if NAMES.exists() else {}
        before = dict(known)
        yield known
        if known != before:
            NAMES.write_text(json.dumps(known))


if __name__ == "__main__":
    sys.exit(main())
