"""What `launch.py` and `submit.py` share: plain help, and the rule that stdout is data and stderr is talk."""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from lib import garbage
from lib.errors import Failed, UsageError, guarded

INTERRUPTED = 130


def program(about: str | None) -> typer.Typer:
    """An empty program with the house's habits: plain help, no completion, errors left to `main`."""
    return typer.Typer(
        help=about,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


@guarded
def main(app: typer.Typer) -> None:
    """Run a program to its exit code; what the option parser refuses reads like every other error."""
    sys.unraisablehook = _interrupt_again
    garbage.seldom()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):  # a question hides it behind `from None`
            raise KeyboardInterrupt from None
        raise UsageError("nobody answered the question", "answer it in a terminal, or say yes beforehand: -y") from None
    except BrokenPipeError:  # whoever read stdout has enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that cannot be read: the system's own words say it
        place = f"{error.filename}: " if error.filename else ""
        raise Failed(f"{place}{error.strerror or error}") from None
    except Exception as error:
        if not hasattr(error, "format_message"):  # the parser's own all have it
            raise
        raise UsageError(error.format_message(), f"python {Path(sys.argv[0]).name} --help") from None
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt_again(dropped: Any) -> None:
    """Python drops what a finalizer raises, a Ctrl-C that came during one too: that comes again a moment later."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    with suppress(RuntimeError):  # no threads are begun while the interpreter ends
        threading.Timer(0.01, _interrupt).start()


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes the main thread from a wait too
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        _thread.interrupt_main()


def refuse_misplaced(context: typer.Context) -> None:
    """Refuse options that stand before a command's name, where they would be read and forgotten."""
    sources = {"/".join(option.opts): context.get_parameter_source(option.name) for option in context.command.params}
    given = [option for option, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        raise UsageError(
            f"{', '.join(given)} before {context.invoked_subcommand!r} would be ignored",
            f"put options behind the command: python {Path(sys.argv[0]).name} {context.invoked_subcommand} …",
        )


def only_with(context: typer.Context, flag: str, *allowed: str) -> None:
    """Refuse options that mean nothing beside `flag`; `allowed` are the parameters that do."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and option.name not in allowed and flag not in option.opts:
            raise UsageError(f"{option.opts[-1]} means nothing with {flag}", "leave it out")


def say(document: Any, as_json: bool, lines: list[str]) -> None:
    """One JSON document on stdout, or lines."""
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False, default=str))
    elif lines:
        print("\n".join(lines))


def talk(text: str) -> None:
    """Words for the person at the terminal, on stderr."""
    print(text, file=sys.stderr)


def next_step(command: str) -> None:
    """The command to type now, on stderr."""
    talk(f"next: {command}")
