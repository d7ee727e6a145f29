"""The official Kaggle client, imported late and made safe to build on.

Importing `kaggle` signs in at once, over the network when a token is set, and may print a help text; a missing
credential ends in `exit(1)`; its calls have no timeout; and it hides the server's words. Here the import happens
inside `connect`, what it prints goes to stderr, every call has a timeout, and errors say what the server said.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

from lib.errors import Failed, Refused, SwathError
from lib.launching import durations
from lib.launching.kaggle import credentials
from lib.launching.session import Busy, LostConnection, NotThere, Unanswered, Unreachable

CONNECT_SECONDS = 15
READ_SECONDS = durations.from_environment("SWATH_READ_SECONDS", 90)
"""Without a byte from the other side, after which a connection counts as lost."""

QUESTION_SECONDS = 10
"""How long an answer is waited for that a push can do without."""
AT_ONCE = 8
"""Questions that are asked at the same time."""

_one_talker = threading.RLock()
"""Redirecting stdout is the whole process's affair: of several threads, one calls the client at a time."""

asked: set[str] = set()
"""Methods of the server that a request has left for; after a lost answer it tells how far a call had come."""

ENDPOINT = "KAGGLE_API_ENDPOINT"
"""Names another server, as `http://127.0.0.1:8000`; the client's own setting of this name is not honoured by it."""


def connect() -> Any:
    """The signed-in `KaggleApi`. Raises `Refused` without credentials, or when the server does not take them."""
    found = credentials.needed()
    with _talk_to_stderr():
        _prepare()
        try:
            import kaggle
        except ImportError as error:
            raise Refused(f"the Kaggle client cannot be imported: {error}", "pip install -r requirements.txt") from None
        api = kaggle.api
        if not getattr(api, "_authenticated", False):
            _sign_in(api, found)
    return api


def _sign_in(api: Any, found: credentials.Source) -> None:
    """Nothing was asked of the server yet, so whatever goes wrong here is a `Refused`."""
    try:
        with translated("signing in", found):
            api.authenticate()
    except SystemExit:
        raise Refused(
            f"Kaggle does not accept the credentials from {found.name}",
            "they may have expired; a bad token hides a good kaggle.json behind it. Then " + credentials.HOW,
        ) from None
    except SwathError as error:
        raise Refused(error.reason, error.hint) from None
    except (TypeError, KeyError, AttributeError, ValueError) as error:  # what the client makes of odd credentials
        raise Refused(f"the credentials from {found.name} cannot be used: {_short(error)}", credentials.HOW) from None


def owner(api: Any) -> str:
    """The signed-in user's name."""
    name = api.config_values.get("username")
    if not name:
        raise Refused("Kaggle did not say whose credentials these are", credentials.HOW)
    return name


@contextlib.contextmanager
def session_of(api: Any) -> Iterator[Any]:
    """A `KaggleClient` of the signed-in user, for the calls that `KaggleApi` does not wrap."""
    with _talk_to_stderr(), api.build_kaggle_client() as client:
        yield client


def together(api: Any, questions: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Ask several questions at once: `{"the quota": lambda client: client.kernels…}`.

    An answer each, or the `SwathError` that came in its place: `LostConnection` also for one that takes too long.
    """
    if not questions:
        return {}
    with session_of(api) as client, ThreadPoolExecutor(max_workers=min(AT_ONCE, len(questions))) as pool:
        http = client.http_client()
        http._init_session()
        for scheme in ("https://", "http://"):
            http._session.mount(scheme, _timeout_adapter(QUESTION_SECONDS))
        answers = pool.map(lambda item: _answer(client, *item), questions.items())
        return dict(zip(questions, answers, strict=True))


def _answer(client: Any, what: str, question: Callable[[Any], Any]) -> Any:
    try:
        with _worded(what):
            return question(client)
    except SwathError as error:
        return error
    except (LookupError, TypeError, AttributeError) as error:  # what the client makes of odd answers
        return Failed(f"{what}: the Kaggle client cannot read the answer ({_short(error)})")


@contextlib.contextmanager
def translated(what: str, found: credentials.Source | None = None) -> Iterator[None]:
    """Turn the client's exceptions into ours, with the server's own words.

    `Refused` for credentials, `LostConnection` when it is unknown whether the server acted, `NotThere` for what the
    server does not know or show, `Failed` for the rest.
    """
    with _talk_to_stderr(), _worded(what, found):
        yield


@contextlib.contextmanager
def _worded(what: str, found: credentials.Source | None = None) -> Iterator[None]:
    import requests
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    try:
        yield
    except requests.HTTPError as error:
        raise _from_answer(what, error, found or credentials.source()) from None
    except json.JSONDecodeError:  # also requests' own, which is a RequestException
        raise LostConnection(
            f"{what}: Kaggle answered with something other than JSON (it throttles this way)"
        ) from None
    except requests.ReadTimeout:
        raise Unanswered(f"{what}: no answer came from Kaggle within {READ_SECONDS:g} s", "try again") from None
    except requests.RequestException as error:
        reason = getattr(error.args[0] if error.args else None, "reason", None)  # urllib3's own, behind requests'
        if isinstance(reason, (NewConnectionError, ConnectTimeoutError)):
            raise Unreachable(f"{what}: Kaggle cannot be reached ({_short(reason)})", "go online") from None
        raise LostConnection(f"{what}: the connection to Kaggle was lost ({_short(error)})", "try again") from None
    except ValueError as error:  # the client's own checks of a kernel's metadata
        raise Failed(f"{what}: {error}") from None


def _from_answer(what: str, error: Any, found: credentials.Source | None) -> SwathError:
    answer = error.response
    code = answer.status_code if answer is not None else 0
    words = server_words(answer) or getattr(answer, "reason", "") or _short(error)
    if code == 401:
        place = f" from {found.name}" if found else ""
        return Refused(
            f"{what}: Kaggle does not accept the credentials{place} ({words})",
            "a bad token hides a good kaggle.json behind it. " + credentials.HOW,
        )
    if code in (408, 429, 500, 502, 503, 504):
        kind = {429: Busy, 408: Unanswered, 504: Unanswered}.get(code, LostConnection)
        lost = kind(f"{what}: Kaggle is busy (HTTP {code}: {words})", "try again in a minute")
        if isinstance(lost, Busy):
            lost.seconds = _retry_after(answer.headers.get("Retry-After", ""))
        return lost
    kind = NotThere if code in (403, 404) else Failed  # Kaggle answers 403 for a kernel that is not there
    return kind(f"{what}: Kaggle refused it (HTTP {code}): {words}")


def _retry_after(header: str, now: Callable[[], float] = time.time) -> float:
    """Seconds of a Retry-After header, a number or a date; 0 without one."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(header))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(header).timestamp() - now())
    return 0.0


def server_words(answer: Any) -> str:
    """The message inside a Kaggle error answer; empty when it has none."""
    try:
        content = answer.json()
    except (ValueError, AttributeError):
        return ""
    inner = content.get("error") if isinstance(content, dict) else None
    if isinstance(inner, dict):
        return str(inner.get("message", ""))
    return str(inner or (content.get("message", "") if isinstance(content, dict) else ""))


def _prepare() -> None:
    """Before the first import of `kaggle`: the endpoint, and timeouts for every session the SDK opens."""
    if "kaggle" in sys.modules:
        return
    from kagglesdk import kaggle_env, kaggle_http_client

    if os.environ.get(ENDPOINT):
        kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.PROD] = os.environ[ENDPOINT].rstrip("/")
    http = kaggle_http_client.KaggleHttpClient
    original = http._init_session

    def with_timeouts(self):
        fresh = self._session is None
        result = original(self)
        if fresh:
            adapter = _timeout_adapter(READ_SECONDS)
            self._session.mount("https://", adapter)
            self._session.mount("http://", adapter)
        return result

    http._init_session = with_timeouts


def _timeout_adapter(seconds: float) -> Any:
    from requests.adapters import HTTPAdapter

    class TimeoutAdapter(HTTPAdapter):
        def send(self, request, **options):
            asked.add(request.path_url.split("?")[0].rsplit("/", 1)[-1])
            options["timeout"] = options.get("timeout") or (CONNECT_SECONDS, seconds)
            return super().send(request, **options)

    return TimeoutAdapter()


@contextlib.contextmanager
def _talk_to_stderr() -> Iterator[None]:
    """Collect what the client prints and pass it to stderr: stdout is for data."""
    words = io.StringIO()
    try:
        with _one_talker, contextlib.redirect_stdout(words):
            yield
    finally:
        if words.getvalue().strip() and "kaggle auth login" not in words.getvalue():
            print(words.getvalue().rstrip(), file=sys.stderr)


def _short(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
