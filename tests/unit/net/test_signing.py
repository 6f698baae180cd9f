"""Who gets a signature. The tokens come from a service on loopback: the real one is not reached."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from planetary_computer import sas
from planetary_computer.settings import Settings

from geosr_lake.net.policy import ARCHIVE_HOSTS, PLANETARY_COMPUTER_HOSTS
from geosr_lake.net.signing import sign

NAIP = "https://naipeuwest.blob.core.windows.net/naip/x.tif"


@contextmanager
def token_service(asked: list[str]) -> Iterator[str]:
    """Serve a new token to each request, and note its path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            expiry = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            token = {"token": f"sp=r&sig={len(asked)}", "msft:expiry": expiry}
            body = json.dumps(token).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that the package asks its service for, with no token in memory at first."""
    paths: list[str] = []
    with token_service(paths) as url:
        monkeypatch.setenv("PC_SDK_SAS_URL", url)
        monkeypatch.setattr(sas, "TOKEN_CACHE", {})
        Settings.get.cache_clear()
        yield paths
    Settings.get.cache_clear()


@pytest.mark.parametrize(
    "url",
    [f"https://{host}/x.tif" for host in sorted(ARCHIVE_HOSTS - PLANETARY_COMPUTER_HOSTS)]
    + ["https://naipeuwest.blob.core.windows.net.evil.example/x.tif", "http://127.0.0.1:80/x.tif"],
)
def test_hosts_without_signatures_are_read_as_they_are(url: str, asked: list[str]) -> None:
    assert sign(url) == url
    assert not asked


def test_a_token_is_asked_for_once_a_container(asked: list[str]) -> None:
    assert sign(NAIP) == f"{NAIP}?sp=r&sig=1"
    assert sign(NAIP.replace("x", "y")) == f"{NAIP.replace('x', 'y')}?sp=r&sig=1"
    assert asked == ["/token/naipeuwest/naip"]


def test_a_refused_token_is_asked_for_anew(asked: list[str]) -> None:
    sign(NAIP)
    assert sign(NAIP, refused=True) == f"{NAIP}?sp=r&sig=2"
    assert len(asked) == 2
