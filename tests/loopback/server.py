"""Sockets, routes and credentials of the loopback server.

    with KaggleServer(tmp_path) as server:
        url = f"{server.url}/v1/kernels.KernelsApiService/ListKernels"
        requests.post(url, json={}, auth=(server.owner, server.key)).json()    # {}: no kernels yet

One RPC at a time is carried out; streams, downloads and delays go on beside it.
"""

import base64
import contextlib
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .competitions import Competition, CompetitionsService, Submission
from .datasets import DatasetsService
from .exchange import Answer, Exchange, Refused, Request, json_answer, without_defaults
from .faults import Faults
from .kernels import Kernel, KernelsService
from .models import ModelsService
from .quotas import GPU_HOURS
from .signed_urls import SignedUrls

DEFAULT_TAGS = ("computer vision", "deep learning", "gpu", "image segmentation")


class KaggleServer:
    """Kaggle for one account; every attribute may be changed while it runs.

    `folder` receives what the kernels read and write, `python` runs them, `layout` is how their inputs are
    mounted: "new" (datasets/<owner>/<slug>, …) or "old" (<slug>).
    """

    def __init__(self, folder: Path, python: str = sys.executable, layout: str = "new"):
        if layout not in ("new", "old"):
            raise ValueError(f"layout is 'new' or 'old', not {layout!r}")
        self.folder, self.python, self.layout = Path(folder).resolve(), str(python), layout

        self.owner = "tester"
        self.token = "KGAT_loopback"
        self.key = "0123456789abcdef0123456789abcdef"

        # What exists, by the name a kernel's metadata gives it.
        self.datasets: dict[str, Path] = {}
        self.dataset_states: dict[str, list[str]] = {}
        self.models: dict[str, Path] = {}
        self.competitions: dict[str, Competition] = {}
        self.tags: set[str] = set(DEFAULT_TAGS)

        # What was done.
        self.kernels: dict[str, Kernel] = {}
        self.submissions: list[Submission] = []
        self.requests: list[tuple[str, dict[str, Any] | None]] = []

        # How sessions run. env is added to a clean environment; a log record takes at most record_bytes; a lean
        # listing of kernels does not tell their versions and machines.
        self.env: dict[str, str] = {}
        self.queue_seconds = 0.0
        self.record_bytes = 65536
        self.gpu_hours_left = GPU_HOURS
        self.gpu_hours_reserved = 0.0
        self.gpu_slots, self.cpu_slots = 2, 5
        self.lean_listing = False

        # Whether outputs are listed while a session runs; Kaggle does not.
        self.lists_running = False

        # Seconds before each answer, as if the server were far away.
        self.latency = 0.0

        # How submissions are scored: questions answered 404, then PENDING, before the score.
        self.submission_lag = 0
        self.scoring_polls = 1

        self.clock_ahead = 0.0
        """Seconds; seen in the Date header of every answer."""
        # How data sets are processed: questions answered before they are READY (or what they end as).
        self.dataset_polls = 1
        self.dataset_end = "READY"

        self.closing = threading.Event()
        self._lock = threading.RLock()
        self._listener = _Listener(self)
        self.url = f"http://127.0.0.1:{self._listener.server_port}"
        self.urls = SignedUrls(self.url, self.folder / ".uploads")
        self.kernel_service = KernelsService(self)
        self.dataset_service = DatasetsService(self)
        self._methods = {
            "kernels.KernelsApiService": self.kernel_service.methods(),
            "competitions.CompetitionApiService": CompetitionsService(self).methods(),
            "datasets.DatasetApiService": self.dataset_service.methods(),
            "blobs.BlobApiService": {"StartBlobUpload": self.dataset_service.start_upload},
            "models.ModelApiService": ModelsService(self).methods(),
            "security.OAuthService": {"IntrospectToken": self._introspect},
        }
        routes = {method for methods in self._methods.values() for method in methods}
        self.faults = Faults(routes | {"logs", "download", "upload"})

    def __enter__(self) -> "KaggleServer":
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()
        return self

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Meanwhile nobody listens, and every connection is dropped; sessions go on."""
        self._listener.shutdown()
        self._listener.server_close()
        try:
            yield
        finally:
            self._listener = _Listener(self, self._listener.server_port)
            self.__enter__()

    def __exit__(self, *_: object) -> None:
        """Stop listening, end every session's processes, drop every connection."""
        self.closing.set()
        self._listener.shutdown()
        with self._lock:
            for kernel in self.kernels.values():
                for version in kernel.versions:
                    version.cancel()
        self._listener.server_close()

    def client_env(self, home: Path) -> dict[str, str]:
        """What a client needs in its environment to find this server, with `home` for its own files."""
        home = Path(home)
        home.mkdir(parents=True, exist_ok=True)
        return {
            "HOME": str(home),
            "KAGGLE_CONFIG_DIR": str(home / ".kaggle"),
            "KAGGLE_API_ENDPOINT": self.url,
            "KAGGLE_API_TOKEN": self.token,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def delete(self, slug: str) -> None:
        """Delete a kernel as its owner does on the web site."""
        with self._lock:
            self.kernel_service.delete_kernel({"userName": self.owner, "kernelSlug": slug})

    def count(self, name: str) -> int:
        """How often an RPC was called."""
        return sum(called == name for called, _ in self.requests)

    def answer(self, request: Request) -> Answer:
        """Route a request; raises Refused."""
        match request.verb, request.parts:
            case "GET", ["download", token, *_]:
                return self.urls.download(token, request.headers)
            case "PUT", ["upload", token]:
                return self.urls.upload(token, request.body, request.headers)
            case "GET", ["v1", "kernels", "logs", "stream", owner, slug]:
                self._authenticate(request)
                label = request.query.get("versionLabel")
                asked = {"userName": owner, "kernelSlug": slug, "versionLabel": label}
                with self._open():
                    return self.kernel_service.logs(asked)
            case "POST", ["v1", service, method] if method in self._methods.get(service, {}):
                if method != "IntrospectToken":
                    self._authenticate(request)
                if request.content is None:
                    raise Refused(400, "The request's body is not a JSON object.")
                with self._open():
                    answer = self._methods[service][method](request.content)
                return answer if isinstance(answer, Answer) else json_answer(answer)
        raise Refused(404, f"There is no {request.verb} {request.target}.")

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        """One RPC at a time, and none once the server closes: a session begun then would outlive it."""
        with self._lock:
            if self.closing.is_set():
                raise Refused(503, "The server is closing.")
            yield

    def _authenticate(self, request: Request) -> None:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        basic = base64.b64encode(f"{self.owner}:{self.key}".encode()).decode()
        if (kind, secret) not in (("Bearer", self.token), ("Basic", basic)):
            raise Refused(401, "Unauthenticated")

    def _introspect(self, request: dict[str, Any]) -> dict[str, Any]:
        active = request.get("token") == self.token
        return without_defaults({"active": active, "username": self.owner if active else ""})


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, kaggle: KaggleServer, port: int = 0):
        self.kaggle = kaggle
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """As HTTPServer does, but without asking a name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up, on purpose or not; that is no error of the server."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        kaggle = self.server.kaggle
        request = Request(self.command, self.path, self.headers, self._body())
        rpc = request.verb == "POST" and request.route != request.target
        kaggle.requests.append((request.route if rpc else request.target, request.content))
        exchange = Exchange(self, kaggle, request)
        kaggle.closing.wait(kaggle.latency)
        fault = kaggle.faults.take(request.route, request.target)
        if fault is None:
            exchange.send(exchange.work())
        else:
            fault(exchange)

    do_GET = do_POST = do_PUT = _serve

    def _body(self) -> bytes:
        """The request's body, by its length or in chunks: `requests` sends an empty file chunked."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.server.kaggle.clock_ahead)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: `KaggleServer.requests` is the log."""
