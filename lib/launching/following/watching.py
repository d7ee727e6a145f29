"""A run's latest session, followed with everything around it: queue, live table, alarms, metrics.csv, Ctrl-C.

followed = watch(run)            # on the terminal, to the session's end
bring_log(run, session, ref)     # in silence: the log of a session that is over
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from lib.errors import Failed, Refused
from lib.launching import stopping
from lib.launching.attempts import latest, note
from lib.launching.following import interrupt, queueing
from lib.launching.following.alarms import Alarms, ticking
from lib.launching.following.follow import Followed, Follower, follow
from lib.launching.following.interrupt import Choice
from lib.launching.following.log_file import Keeper
from lib.launching.following.show import TrainingView, talk
from lib.launching.following.training_progress import parse
from lib.launching.runs import Run
from lib.launching.session import KernelRef, Session, Status


def watch(run: Run, raw: Callable[[str], None] | None = None) -> Followed:
    """Follow a run's latest session to its end and write down how it stands.

    Lines go to a live table, or as they are to `raw`. At a Ctrl-C on a terminal the user decides: raises
    KeyboardInterrupt when the run is left running, and never `Refused`: the session has been spending for a while.
    """
    session, ref = latest(run)
    view = TrainingView(run.competition.metric.label)
    alarms = Alarms(run.id, lambda words: talk.print(words, style="bold yellow", markup=False))

    def show(line: str, seconds: float) -> None:
        alarms.heard()
        progress = parse(line)
        if progress is not None:
            alarms.progress(progress, seconds)
        (raw or view.line)(line)

    follower = Follower(session, ref, Keeper.of(run), show)
    while True:
        try:
            with ticking(alarms.tick), nullcontext() if raw else view:
                if not follower.seen:
                    _begin(run, session, ref, view, alarms)
                followed = follower.to_end()
            break
        except Refused as error:
            raise Failed(error.reason, error.hint) from None
        except KeyboardInterrupt:
            choice = Choice.LEAVE if raw else interrupt.ask(run.id, run.read()["place"] == "kaggle")
            if choice is Choice.LEAVE:
                raise
            if choice is Choice.STOP:
                return Followed(stopping.stop(run), bool(run.read().get("log_whole")))
            alarms.heard()
    run.update(log_whole=followed.log_whole)
    note(run, followed.status)
    return followed


def bring_log(run: Run, session: Session, ref: KernelRef) -> None:
    """Read the log of a session that is over, in silence."""
    run.update(log_whole=follow(session, ref, Keeper.of(run), lambda line: None).log_whole)


def _begin(run: Run, session: Session, ref: KernelRef, view: TrainingView, alarms: Alarms) -> None:
    """Wait in the queue; one that was seen to run is not in it any more, whatever an empty answer says."""
    if run.read()["attempts"][-1]["status"] == "running":
        return alarms.heard()
    status = queueing.wait(run.id, session, ref, view.waiting, lambda words: talk.print(words, markup=False))
    if not status.over:
        note(run, Status("running"))
        alarms.heard()
