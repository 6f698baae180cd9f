"""A session to one origin, against a server on this machine that misbehaves."""

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from geosr_lake.errors import PermanentSourceError, TransientSourceError, UnsafeInputError
from geosr_lake.net import http_session
from geosr_lake.net.errors import MissingSourceError
from geosr_lake.net.gate import Gate
from geosr_lake.net.http_session import Timeouts, failure, retry_after_s, session_to
from geosr_lake.net.retry import BusySourceError

QUICK = Timeouts(connect_s=1.0, read_s=0.4, total_s=1.0)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-3"}, 0.0),
        ({}, None),
        ({"Retry-After": "soon"}, None),
        (
            {
                "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT",
                "Date": "Wed, 21 Oct 2026 07:27:30 GMT",
            },
            30.0,
        ),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, now=1792567620.0) == expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, BusySourceError),
        (503, BusySourceError),
        (404, MissingSourceError),
        (400, PermanentSourceError),
        (403, PermanentSourceError),
        (302, PermanentSourceError),
    ],
)
def test_statuses(status: int, kind: type[Exception]) -> None:
    assert type(failure(status, {}, "x")) is kind


@pytest.fixture
def host() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/hang":
                time.sleep(2)
                return
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = {"/gzip": gzip.compress(b"hello"), "/bomb": gzip.compress(bytes(2**22))}
            self.send_response(200)
            if self.path in body:
                self.send_header("Content-Encoding", "gzip")
            data = body.get(self.path, b"x" * 100)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Set-Cookie", "a=b")
            self.end_headers()
            if self.path == "/cut":
                self.wfile.write(data[:50])
                self.close_connection = True
            elif self.path == "/drip":
                for byte in data:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.2)
            else:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/hang", "/cut", "/drip"])
def test_what_takes_too_long_or_breaks_off(host: str, path: str) -> None:
    session = session_to(host, Gate(1000), QUICK)
    began = time.monotonic()
    with pytest.raises(TransientSourceError):
        session.get(host + path)
    assert time.monotonic() - began < QUICK.total_s + 2


def test_packed_answers_and_bombs(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_to(host, Gate(1000), QUICK)
    assert session.get(f"{host}/gzip").content == b"hello"
    monkeypatch.setattr(http_session, "MAX_BODY_BYTES", 2**20)
    with pytest.raises(PermanentSourceError, match="longer than 1 MiB"):
        session.get(f"{host}/bomb")


def test_another_origin_gets_no_request(host: str) -> None:
    gate = Gate(1000)
    session = session_to(host, gate, QUICK)
    for url in ("http://127.0.0.1:1/", "https://example.com/", host.replace("127.", "128.")):
        with pytest.raises(UnsafeInputError, match="another host"):
            session.get(url)
    assert gate.passed == 0
    with pytest.raises(UnsafeInputError):
        session.get(f"{host}/redirect")
    assert session.get(f"{host}/redirect", allow_redirects=False).status_code == 302


def test_nothing_is_remembered_or_taken_from_outside(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    session = session_to(host, Gate(1000), QUICK)
    session.get(f"{host}/x")
    assert len(session.cookies) == 0
