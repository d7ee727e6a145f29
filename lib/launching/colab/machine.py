# The one cell that runs on a Colab machine, in /content; `colab_supervisor.py` adds a call of main() below it.
#
# It lays out Kaggle's folders, installs what the image lacks, runs the bundle, and keeps the notebook's kernel busy
# until the end, so that Colab does not take the machine for idle. Everything that it says is also in files there: a
# connection that broke off costs nothing.
import codecs
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import traceback
from pathlib import Path

KEPT = ("torch", "torchvision", "torchaudio", "numpy")
LEFT_OUT = ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONUNBUFFERED", "MPLBACKEND")


class Ended(Exception):
    """How the session ends before its kernel does: a state and a message."""


class Machine:
    """One run on this machine."""

    def __init__(self, settings):
        self.settings = settings
        self.here = Path.cwd()
        self.root = self.here / "kaggle"
        self.begin = time.monotonic()
        self.records = 0
        self.beats = 0
        self.last_beat = 0.0
        self.packed = time.monotonic()
        self.generation = 0

    def run(self):
        """From an empty machine to the kernel's end: a state and a message."""
        for name in ("src", "input", "working", "temp"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        os.replace(self.here / "swath-kernel.py", self.root / "src" / "script.py")
        self.unpack()
        self.install()
        code = self.process([sys.executable, str(self.root / "src" / "script.py")], self.root / "working")
        if code == 0:
            return "complete", ""
        if code > 0:
            return "failed", f"the kernel ended with exit code {code}"
        name = signal.Signals(-code).name
        return "failed", f"the kernel was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")

    def unpack(self):
        """Put the pieces of the data together and unpack them below input/."""
        pieces = [self.here / f"swath-data-{number:03d}" for number in range(len(self.settings["data"]))]
        for piece, sha256 in zip(pieces, self.settings["data"], strict=True):
            if hashlib.sha256(piece.read_bytes()).hexdigest() != sha256:
                raise Ended("failed", f"the data arrived damaged: {piece.name}")
        if not pieces:
            return
        whole = self.here / "swath-data.tar"
        with open(whole, "wb") as file:
            for piece in pieces:
                file.write(piece.read_bytes())
                piece.unlink()
        with tarfile.open(whole) as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 has it first
            tar.extractall(self.root / "input")
        whole.unlink()

    def install(self):
        """Install what the kernel imports and the image lacks; torch, torchvision and numpy stay as they are."""
        missing = [line for line, module in self.settings["needs"] if importlib.util.find_spec(module) is None]
        if not missing:
            return
        kept = []
        for name in KEPT:
            try:
                kept.append(f"{name}=={importlib.metadata.version(name)}\n")
            except importlib.metadata.PackageNotFoundError:
                continue
        constraints = self.here / "swath-constraints.txt"
        constraints.write_text("".join(kept))
        self.say("stdout", f"installing {', '.join(missing)}\n")
        words = ["--quiet", "--disable-pip-version-check", "--constraint", str(constraints), *missing]
        code = self.process([sys.executable, "-m", "pip", "install", *words], self.here)
        if code:
            raise Ended("failed", f"pip could not install {', '.join(missing)} (exit code {code})")

    def process(self, command, folder):
        """Run a command, pass on what it says, and return its exit code; `Ended` when it had to be ended."""
        environment = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        news = queue.Queue()
        pipes = (("stdout", process.stdout), ("stderr", process.stderr))
        readers = [threading.Thread(target=read, args=(name, pipe, news), daemon=True) for name, pipe in pipes]
        for reader in readers:
            reader.start()
        ending, asked, over = None, 0.0, None
        while over is None or not news.empty() or any(reader.is_alive() for reader in readers):
            try:
                self.say(*news.get(timeout=0.2))
            except queue.Empty:
                if over is not None and time.monotonic() - over > 5:
                    break  # something that the kernel started holds its output open
            if over is not None:
                continue
            if process.poll() is not None:
                over = time.monotonic()
                continue
            self.beat()
            if time.monotonic() - self.packed > self.settings["keep"]:
                self.pack(copy=True)
                print("@packed", flush=True)
            if ending is None and (ending := self.must_end()):
                asked = time.monotonic()
                os.killpg(process.pid, signal.SIGTERM)
            elif ending and time.monotonic() - asked > self.settings["grace"]:
                os.killpg(process.pid, signal.SIGKILL)
        if ending:
            raise Ended(*ending)
        return process.returncode

    def must_end(self):
        """Why the session must end now, if it must."""
        if (self.here / "swath-stop").exists():
            return "stopped", "stopped by request"
        if time.monotonic() - self.begin > self.settings["limit"]:
            return "failed", f"the session's time limit of {self.settings['limit']} s was reached"
        return None

    def say(self, stream, data):
        """One record: to the log on this machine, and to whoever listens."""
        seconds = round(time.monotonic() - self.begin, 3)
        line = json.dumps({"n": self.records, "stream_name": stream, "time": seconds, "data": data})
        with open(self.here / "swath-log.jsonl", "a", encoding="utf-8") as log:
            log.write(line + "\n")
        self.records += 1
        print("@log " + line, flush=True)

    def beat(self):
        """Now and then a sign of life."""
        if time.monotonic() - self.last_beat > self.settings["beat"]:
            self.last_beat = time.monotonic()
            self.beats += 1
            self.note("running", "")
            print("@beat", flush=True)

    def note(self, state, message):
        """Write down how the run stands, and return it."""
        content = {"state": state, "message": message, "records": self.records, "beats": self.beats}
        content["packs"] = self.generation
        part = self.here / "swath-state.part"
        part.write_text(json.dumps(content))
        os.replace(part, self.here / "swath-state.json")
        return content

    def pack(self, copy=False):
        """List what the kernel has left, with sizes and SHA-256, and where each file's bytes can be had.

        Large files and hidden ones, which the place does not hand out, become pieces; with `copy` every file does,
        because the kernel goes on writing.
        """
        working, pieces = self.root / "working", self.here / "swath-pieces" / str(self.generation)
        pieces.mkdir(parents=True, exist_ok=True)
        entries = []
        for path in sorted(path for path in working.rglob("*") if path.is_file()):
            name = path.relative_to(working).as_posix()
            hidden = any(part.startswith(".") for part in name.split("/"))
            if copy and hidden:
                continue  # somebody is writing it
            split = copy or hidden or path.stat().st_size > self.settings["part"]
            whole, size, sources = hashlib.sha256(), 0, []
            with open(path, "rb") as file:
                while content := file.read(self.settings["part"]):
                    whole.update(content)
                    size += len(content)
                    if split:
                        piece = pieces / f"{len(entries)}-{len(sources)}"
                        piece.write_bytes(content)
                        sources.append(piece.relative_to(self.here).as_posix())
            sources = sources if split else [f"kaggle/working/{name}"]
            entries.append({"name": name, "bytes": size, "sha256": whole.hexdigest(), "sources": sources})
        part = self.here / "swath-outputs.part"
        part.write_text(json.dumps(entries))
        os.replace(part, self.here / "swath-outputs.json")
        shutil.rmtree(self.here / "swath-pieces" / str(self.generation - 2), ignore_errors=True)
        self.generation += 1
        self.packed = time.monotonic()


def read(name, pipe, news):
    """Turn what arrives on a pipe into news."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while chunk := pipe.read1(65536):
        news.put((name, decoder.decode(chunk)))


def main(settings):
    """The whole cell; on a machine where it has run before it does nothing."""
    if Path("swath-state.json").exists():
        return
    machine = Machine(settings)
    machine.note("running", "")
    try:
        end = machine.run()
    except Ended as early:
        end = early.args
    except Exception as error:
        machine.say("stderr", traceback.format_exc())
        end = ("failed", f"the machine could not be prepared: {error}")
    try:
        machine.pack()
    except OSError as error:
        machine.say("stderr", traceback.format_exc())
        end = ("failed", f"{end[1]}; what it left could not be listed: {error}".removeprefix("; "))
    shutil.rmtree(machine.root / "temp", ignore_errors=True)
    print("@end " + json.dumps(machine.note(*end)), flush=True)
