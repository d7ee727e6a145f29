"""What a Kaggle account has left: accelerator hours of the week, and the sessions that run now.

    account = ask(api, owner, "GPU")
    account.quota.left                   # seconds
    account.running                      # ("me/sea-ice", …), None when Kaggle did not say

No call of Kaggle's lists sessions: the user's latest kernels are listed, and asked one by one.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.errors import Failed, Refused, SwathError
from lib.launching.kaggle.client import session_of, together, translated
from lib.launching.kaggle.slots import Kind
from lib.launching.preparing.feasible import SESSION_SECONDS
from lib.launching.runs import all_runs
from lib.launching.session import Unreachable

PAGE = 20
"""Kernels, latest run first, that are looked at for one that still runs."""

QUEUE_SECONDS = 3600
"""A session may have waited for so long before it began."""

QUOTA, KERNELS = "the quota", "your kernels"


@dataclass(frozen=True)
class Quota:
    """An accelerator's seconds of this week."""

    allowed: float
    used: float
    reserved: float
    refresh: datetime.datetime | None
    """When the next week begins, in UTC."""

    @property
    def left(self) -> float:
        """What a session may still take."""
        return max(0.0, self.allowed - self.used - self.reserved)


@dataclass(frozen=True)
class Account:
    """What Kaggle said; None is what it did not say, and `silence` why."""

    owner: str
    quota: Quota | None = None
    running: tuple[str, ...] | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    """Of the other questions that were asked along."""
    silence: Mapping[str, str] = field(default_factory=dict)


def quotas(api: Any) -> dict[str, Quota]:
    """The week's hours by accelerator, "GPU" and "TPU"; `Failed` when Kaggle does not say."""
    with translated("asking for the quota"), session_of(api) as client:
        found = _quotas(client)
    if not found:
        raise Failed("Kaggle did not say what your quota is", "see https://www.kaggle.com/settings")
    return found


def ask(api: Any, owner: str, kind: Kind, others: Mapping[str, Callable[[Any], Any]] | None = None) -> Account:
    """Ask for quota and running sessions, and along with them `others`.

    Raises `Unreachable` when there is no connection, `Refused` when the credentials are not taken; anything else is an
    answer that did not come.
    """
    others = others or {}
    mine = _known_here(owner, kind)
    status = {f"the session of {name}": _status_question(name, label) for name, label in mine.items()}
    gpu = {QUOTA: _quotas} if kind == "GPU" else {}
    answers = together(api, {**gpu, KERNELS: lambda client: _recent(client, owner), **status, **others})
    for answer in answers.values():
        if isinstance(answer, (Refused, Unreachable)):
            raise answer
    quota, kernels = answers.get(QUOTA), answers[KERNELS]
    active = {name for name in mine if answers[f"the session of {name}"] is True}
    if not isinstance(kernels, SwathError):
        active |= _active(api, [kernel for kernel in kernels if kernel.ref not in mine], kind)
    return Account(
        owner,
        quota.get(kind) if isinstance(quota, dict) else None,
        tuple(sorted(active)) if active or not isinstance(kernels, SwathError) else None,
        {what: answers[what] for what in others},
        {what: answer.reason for what, answer in answers.items() if isinstance(answer, SwathError)},
    )


def _quotas(client: Any) -> dict[str, Quota]:
    answer = client.kernels.kernels_api_client.get_accelerator_quota_statistics()
    refresh = answer.quota_refresh_time
    refresh = refresh.replace(tzinfo=datetime.UTC) if refresh else None
    named = {"GPU": answer.gpu_quota, "TPU": answer.tpu_quota}
    return {
        kind: Quota(
            quota.total_time_allowed.total_seconds(), _seconds(quota.time_used), _seconds(quota.time_reserved), refresh
        )
        for kind, quota in named.items()
        if quota is not None and quota.total_time_allowed is not None
    }


def _seconds(duration: datetime.timedelta | None) -> float:
    return duration.total_seconds() if duration else 0.0


def _known_here(owner: str, kind: Kind) -> dict[str, str]:
    """The kernels that were pushed from this machine and are not known to be over, with their versions' labels."""
    found = {}
    for run in all_runs():
        try:
            content = run.read()
        except Failed:  # damaged: `launch.py runs` says so
            continue
        is_open = content["place"] == "kaggle" and content["status"] in ("queued", "running") and content["attempts"]
        if not is_open or content.get("deleted") or (content["accelerator"] != "none") != (kind == "GPU"):
            continue
        last = content["attempts"][-1]
        if last["version"] and last["ref"].startswith(f"{owner}/") and _is_recent(last["started"]):
            found[last["ref"]] = f"v{last['version']}"
    return found


def _is_recent(started: str | datetime.datetime | None) -> bool:
    """Whether a session that was asked for then may run now; what nobody knows may be so."""
    if started is None:
        return True
    then = datetime.datetime.fromisoformat(started) if isinstance(started, str) else started
    then = then if then.tzinfo else then.replace(tzinfo=datetime.UTC)
    return (datetime.datetime.now(datetime.UTC) - then).total_seconds() < SESSION_SECONDS + QUEUE_SECONDS


def _recent(client: Any, owner: str) -> list[Any]:
    """The user's own kernels, private ones too, that were last run so lately that they may still run."""
    from kagglesdk.kernels.types.kernels_api_service import ApiListKernelsRequest
    from kagglesdk.kernels.types.kernels_enums import KernelsListSortType, KernelsListViewType

    request = ApiListKernelsRequest()
    request.group, request.sort_by = KernelsListViewType.PROFILE, KernelsListSortType.DATE_RUN
    request.page, request.page_size = 1, PAGE
    listed = client.kernels.kernels_api_client.list_kernels(request).kernels or []
    return [kernel for kernel in listed if kernel.ref.startswith(f"{owner}/") and _is_recent(kernel.last_run_time)]


def _active(api: Any, kernels: list[Any], kind: Kind) -> set[str]:
    """Those of the kernels that run on this kind of accelerator; where the listing does not tell it, they are asked."""
    labels = {k.ref: f"v{k.current_version_number}" if k.current_version_number else None for k in kernels}
    states = together(api, {ref: _status_question(ref, label) for ref, label in labels.items()})
    active = [kernel for kernel in kernels if states[kernel.ref] is True]
    unclear = {kernel.ref: _kernel_question(kernel.ref) for kernel in active if _kind(kernel) is None}
    details = together(api, unclear)
    return {kernel.ref for kernel in active if (_kind(kernel) or _kind(details.get(kernel.ref)) or "CPU") == kind}


def _kind(kernel: Any) -> Kind | None:
    """What a kernel runs on; None where the answer does not tell."""
    shape = getattr(kernel, "machine_shape", None) or ""
    if shape.startswith("Nvidia") or getattr(kernel, "enable_gpu", False):
        return "GPU"
    return "CPU" if getattr(kernel, "_enable_gpu", None) is False else None


def _status_question(ref: str, label: str | None) -> Callable[[Any], bool]:
    """Whether a kernel's session waits or runs."""

    def question(client: Any) -> bool:
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest

        request = ApiGetKernelSessionStatusRequest()
        request.user_name, request.kernel_slug = ref.split("/")
        request.version_label = label
        answer = client.kernels.kernels_api_client.get_kernel_session_status(request)
        return getattr(answer.status, "name", "") in ("QUEUED", "RUNNING", "CANCEL_REQUESTED")

    return question


def _kernel_question(ref: str) -> Callable[[Any], Any]:
    def question(client: Any) -> Any:
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

        request = ApiGetKernelRequest()
        request.user_name, request.kernel_slug = ref.split("/")
        return client.kernels.kernels_api_client.get_kernel(request).metadata

    return question
