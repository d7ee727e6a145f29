"""The kernels service: pushing, watching, listing and deleting.

    SaveKernel {"slug": "tester/sea-ice", "newTitle": "Sea ice", "text": "print(1)", …}
    -> {"ref": "tester/sea-ice v1", "url": "https://www.kaggle.com/code/tester/sea-ice", "versionNumber": 1}

is followed by a session that really runs the text.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import quotas
from .exchange import END_OF_LOG, Answer, Refused, json_answer, log_event, slugify, without_defaults
from .mounts import lay_out, resolve
from .sessions import Machine, Version

MAX_SOURCE_BYTES = 1_000_000
MIN_TITLE_LENGTH = 5
PAGE_SIZE, MAX_PAGE_SIZE = 20, 200
LEAN = ("id", "ref", "title", "author", "lastRunTime")
OPTIONAL = frozenset({"isPrivate", "enableGpu", "enableTpu", "enableInternet"})

Json = dict[str, Any]


@dataclass
class Kernel:
    """`versions[0]` is version 1."""

    id: int
    slug: str
    title: str
    versions: list[Version] = field(default_factory=list)

    @property
    def latest(self) -> Version:
        return self.versions[-1]


class KernelsService:
    """`kernels.KernelsApiService`; methods take a request's JSON object and return the answer's."""

    def __init__(self, server: Any):
        self.server = server
        self._ids = 0

    def methods(self) -> dict[str, Any]:
        return {
            "SaveKernel": self.save_kernel,
            "GetKernel": self.get_kernel,
            "ListKernels": self.list_kernels,
            "DeleteKernel": self.delete_kernel,
            "GetKernelSessionStatus": self.status,
            "ListKernelSessionOutput": self.outputs,
            "GetKernelSessionLogsStream": self.logs,
            "GetAcceleratorQuotaStatistics": lambda _: quotas.statistics(
                self.server.gpu_hours_left, self.server.gpu_hours_reserved
            ),
        }

    def save_kernel(self, request: Json) -> Json:
        """Record a version and start its session. Without quota or slot: HTTP 200 and an `error`."""
        _check_source(request)
        kernel = self._pushed_to(request)
        title = request.get("newTitle") or (kernel.title if kernel else "")
        slug = self._claim(title, kernel)
        number = len(kernel.versions) + 1 if kernel else 1
        folder = self.server.folder / slug / f"v{number}" / "kaggle"
        sources = resolve(self.server, request)
        metadata = {name: value for name, value in request.items() if name != "text"}
        version = Version(number, metadata, request["text"], folder, sources)
        runs = request.get("kernelExecutionType") != "QUICK_SAVE"
        if runs and (refusal := quotas.refusal(self.server, version.accelerator)):
            return {"error": refusal, "versionNumber": 0}
        if kernel is None:
            self._ids += 1
            kernel = Kernel(self._ids, slug, title)
        lay_out(folder, sources.mounts)
        (folder / "src" / "script.py").write_text(version.text, encoding="utf-8", newline="")
        if runs:
            version.start(self._machine(folder.parent / "home"))
        kernel.versions.append(version)  # once it has begun: whoever sees it may wait for it
        self.server.kernels.pop(kernel.slug, None)
        kernel.slug, kernel.title = slug, title
        self.server.kernels[slug] = kernel
        tags = [tag for tag in request.get("categoryIds", []) if tag not in self.server.tags]
        name = f"{self.server.owner}/{slug}"
        place = {"ref": f"{name} v{number}", "url": f"https://www.kaggle.com/code/{name}"}
        pushed = {"versionNumber": number, "kernelId": kernel.id, "invalidTags": tags, **sources.rejected}
        return without_defaults(place | pushed)

    def get_kernel(self, request: Json) -> Json:
        """`kernelSlug` may end in "/3": so does the client ask for a version's source."""
        slug, _, number = request.get("kernelSlug", "").partition("/")
        label = request.get("versionLabel") or (number and f"v{number}")
        kernel, version = self.version(request.get("userName", ""), slug, label)
        blob = {"source": version.text, "slug": kernel.slug}
        blob |= {name: version.metadata.get(name) for name in ("language", "kernelType")}
        return {"metadata": self._metadata(kernel, version), "blob": without_defaults(blob)}

    def list_kernels(self, request: Json) -> Json:
        """The owner's kernels, newest first or by their last run, narrowed by `search` in the title and by `user`."""
        mine = request.get("user") in (None, "", self.server.owner)
        words = request.get("search", "").lower()
        found = [kernel for kernel in self.server.kernels.values() if mine and words in kernel.title.lower()]
        size = request.get("pageSize") or PAGE_SIZE
        start = (max(1, request.get("page") or 1) - 1) * size
        by_run = request.get("sortBy") == "DATE_RUN"
        found.sort(key=lambda kernel: kernel.latest.asked if by_run else kernel.id, reverse=True)
        page = [self._metadata(kernel, kernel.latest) for kernel in found[start : start + size]]
        if self.server.lean_listing:
            page = [{name: shown[name] for name in LEAN if name in shown} for shown in page]
        return without_defaults({"kernels": page})

    def delete_kernel(self, request: Json) -> Json:
        """Stop its sessions and forget the kernel, its versions and their outputs."""
        kernel = self._kernel(request)
        for version in kernel.versions:
            version.cancel()
            shutil.rmtree(version.folder.parent, ignore_errors=True)
        del self.server.kernels[kernel.slug]
        return {}

    def status(self, request: Json) -> Json:
        """QUEUED is the default value and therefore left out."""
        version = self._version(request)
        status = "" if version.status == "QUEUED" else version.status
        return without_defaults({"status": status, "failureMessage": version.failure_message})

    def outputs(self, request: Json) -> Json:
        """A page of output files, the first one with the log; empty while the session is going."""
        version = self._version(request)
        token = request.get("pageToken") or "0"
        if not token.isdecimal():
            raise Refused(400, f"Invalid page token {token!r}.")
        start, size = int(token), min(request.get("pageSize") or PAGE_SIZE, MAX_PAGE_SIZE)
        files = version.outputs(self.server.lists_running)
        sign = self.server.urls.for_download
        listing = {
            "files": [{"fileName": name, "url": sign(path, name)} for name, path in files[start:][:size]],
            "nextPageToken": str(start + size) if start + size < len(files) else "",
            "log": json.dumps(version.records) if not start and not version.active else "",
        }
        return without_defaults(listing)

    def logs(self, request: Json) -> Answer:
        """Server-sent events while the session is going, a JSON array of the same records afterwards."""
        version = self._version(request)
        if version.active:
            return Answer(_events(version), content_type="text/event-stream")
        return json_answer(version.records)

    def version(self, owner: str, slug: str, label: str | None = None) -> tuple[Kernel, Version]:
        """The version labelled "v3". Without a label: the newest that has left the queue.

        So a question without a label, asked right after a push, is answered with the previous run's status.
        """
        kernel = self._kernel({"userName": owner, "kernelSlug": slug})
        if not label:
            begun = [version for version in kernel.versions if version.status != "QUEUED"]
            return kernel, begun[-1] if begun else kernel.latest
        number = re.fullmatch(r"v([1-9]\d*)", label)
        if not number or int(number[1]) > len(kernel.versions):
            raise Refused(404, f"Version {label} of {owner}/{slug} was not found.")
        return kernel, kernel.versions[int(number[1]) - 1]

    def rerun(self, version: Version, competition: str, hidden: Path) -> Version:
        """Run a version again as a code competition does: other data in its place, and a variable set."""
        number = len(list(version.folder.parent.glob("rerun-*")))
        folder = version.folder.parent / f"rerun-{number}" / "kaggle"
        names = (f"competitions/{competition}", competition)
        mounts = {name: hidden if name in names else target for name, target in version.sources.mounts.items()}
        again = Version(version.number, version.metadata, version.text, folder, version.sources)
        lay_out(folder, mounts)
        (folder / "src" / "script.py").write_text(version.text, encoding="utf-8", newline="")
        again.start(self._machine(folder.parent / "home", KAGGLE_IS_COMPETITION_RERUN="1"))
        return again

    def _version(self, request: Json) -> Version:
        owner, slug = request.get("userName", ""), request.get("kernelSlug", "")
        return self.version(owner, slug, request.get("versionLabel"))[1]

    def _kernel(self, request: Json) -> Kernel:
        owner, slug = request.get("userName", ""), request.get("kernelSlug", "")
        if owner != self.server.owner:
            raise Refused(403, "Permission 'kernels.get' was denied")
        if slug not in self.server.kernels:
            raise Refused(404, f"Kernel {owner}/{slug} was not found.")
        return self.server.kernels[slug]

    def _pushed_to(self, request: Json) -> Kernel | None:
        """The kernel of that number or slug; None when the push makes a new one."""
        if "id" in request:
            for kernel in self.server.kernels.values():
                if kernel.id == request["id"]:
                    return kernel
            raise Refused(404, f"Kernel {request['id']} was not found.")
        owner, _, slug = request.get("slug", "").partition("/")
        if owner != self.server.owner:
            raise Refused(403, "Permission 'kernels.create' was denied")
        return self.server.kernels.get(slug)

    def _claim(self, title: str, kernel: Kernel | None) -> str:
        """The slug that the title makes, whatever slug was asked for."""
        if len(title) < MIN_TITLE_LENGTH:
            raise Refused(400, "Title must be at least five characters")
        slug = slugify(title)
        if self.server.kernels.get(slug, kernel) is not kernel:
            raise Refused(409, "The requested title is already in use by a notebook.")
        return slug

    def _machine(self, home: Any, **more: str) -> Machine:
        """The session's environment: of this process's own only PATH; the server's `env` comes last."""
        home.mkdir()
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8"}
        env |= {"PYTHONUNBUFFERED": "1", "KAGGLE_KERNEL_RUN_TYPE": "Batch", **self.server.env, **more}
        return Machine(self.server.python, env, self.server.queue_seconds, self.server.record_bytes)

    def _metadata(self, kernel: Kernel, version: Version) -> Json:
        """What the server holds on record, which is not always what it was sent."""
        sent = version.metadata
        fields = {
            "id": kernel.id,
            "ref": f"{self.server.owner}/{kernel.slug}",
            "title": kernel.title,
            "author": self.server.owner,
            "slug": kernel.slug,
            "lastRunTime": version.asked.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "language": sent.get("language"),
            "kernelType": sent.get("kernelType"),
            "isPrivate": sent.get("isPrivate", True),
            "enableGpu": version.accelerator == "GPU",
            "enableTpu": version.accelerator == "TPU",
            "enableInternet": sent.get("enableInternet", True),
            "categoryIds": [tag for tag in sent.get("categoryIds", []) if tag in self.server.tags],
            **version.sources.accepted,
            "currentVersionNumber": kernel.latest.number,
            "dockerImage": sent.get("dockerImage"),
            "machineShape": version.machine_shape,
        }
        return without_defaults(fields, keep=OPTIONAL)


def _check_source(request: Json) -> None:
    if request.get("text") is None:
        raise Refused(400, "The kernel source must be specified.")
    if len(request["text"].encode()) >= MAX_SOURCE_BYTES:
        raise Refused(400, "The kernel source must be less than 1 megabytes in size.")
    if (request.get("language"), request.get("kernelType")) != ("python", "script"):
        raise Refused(400, "This server runs Python scripts only.")


def _events(version: Version) -> Iterator[bytes]:
    for record in version.follow():
        yield log_event(record)
    yield END_OF_LOG
