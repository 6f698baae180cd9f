"""A proxy on this machine before a STAC API that misbehaves by a seeded script."""

import email.utils
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PASSING = ("429", "429_date", "500", "503", "hang", "cut", "html")
"""Faults of an answer."""
PAGING = ("repeat", "loop", "no_next")
"""Faults of a page: what is otherwise a good answer says something wrong."""
ODD = ("merge", "whole", "relative", "counts_less", "counts_more")
"""Pages that say it in another way: in `next` only what changes, or all; a number that is wrong."""

_LINKS: dict[str, dict[str, Any]] = {
    "scheme": {"href": "s3://bucket/page"},
    "listed": {"body": ["x"], "merge": True},
    "paired": {"body": [[1, 2]], "merge": False},
    "headed": {"headers": "x"},
}
SENSELESS = tuple(_LINKS)
"""Links to the next page that are none: no HTTP, a list for a body, a text for headers."""

ON_ITS_WAY_S = 0.4
"""A request that comes so soon after a 429 to another one had been sent before it."""


@dataclass
class Proxy:
    """What it does and what it saw.

    Attributes:
        upstream: The API behind it.
        share: Share of the requests that fail.
        kinds: How they fail, by chance.
        only: Fail only requests with this text in their body.
        hang_s: How long a hanging request hangs.
        wait_s: What a 429 asks to wait.
        most_items: A search for more items a page is answered 502; 0: none is.
        times: When each request came, seconds.
        early: Seconds by which requests came before a 429 had allowed them: the same request again,
            or another that was not on its way already.
        faults: Faults by kind.
    """

    upstream: str
    share: float = 0.0
    kinds: Sequence[str] = PASSING
    only: str = ""
    seed: int = 0
    hang_s: float = 3.0
    wait_s: float = 1.0
    most_items: int = 0
    port: int = 0
    times: list[float] = field(default_factory=list)
    early: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    pages: dict[str, bytes] = field(default_factory=dict)
    holds: list[tuple[bytes, float, float]] = field(default_factory=list)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fault(self, body: bytes) -> str | None:
        """Note a request, and draw its fault."""
        with self.mutex:
            now = time.time()
            self.times.append(now)
            self.early += [
                until - now
                for held, since, until in self.holds
                if now < until and (body == held or now > since + ON_ITS_WAY_S)
            ]
            if self.most_items and body and json.loads(body).get("limit", 0) > self.most_items:
                return "502"
            if self.only.encode() not in body or self.rng.random() >= self.share:
                return None
            kind = self.rng.choice(self.kinds)
            if kind in (*PAGING, *ODD, *SENSELESS) and not body:
                return None
            return kind

    def most_in_a_second(self) -> int:
        """Return the greatest number of requests that came within one second."""
        times = sorted(self.times)
        return max(sum(at <= t < at + 1 for t in times) for at in times)


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _send(self, status: int, body: bytes, cut: int = 0, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) - cut])
            if cut:
                self.close_connection = True

        def _upstream(self, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(urlsplit(proxy.upstream).netloc, timeout=60)
            # The API writes its links for the host that it is asked by.
            headers = {"Host": f"127.0.0.1:{proxy.port}", "Content-Type": "application/json"}
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            answer = response.read()
            connection.close()
            return response.status, answer

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = proxy.fault(body)
            if kind in ("429", "429_date"):
                proxy.faults[kind] += 1
                wait = str(int(proxy.wait_s))
                until = time.time() + int(wait)
                if kind == "429_date":
                    until = int(until) + 1.0
                    wait = email.utils.formatdate(until, usegmt=True)
                self._send(429, b"{}", Retry_After=wait)
                with proxy.mutex:
                    proxy.holds.append((body, time.time(), until))
            elif kind in ("403", "500", "502", "503"):
                proxy.faults[kind] += 1
                self._send(int(kind), b"oops")
            elif kind == "hang":
                proxy.faults[kind] += 1
                time.sleep(proxy.hang_s)
                self.close_connection = True
            elif kind == "html":
                proxy.faults[kind] += 1
                self._send(200, b"<html>please log in</html>")
            else:
                self._good(kind, body)

        def _good(self, kind: str | None, body: bytes) -> None:
            status, answer = self._upstream(body)
            if kind == "cut":
                proxy.faults[kind] += 1
                self._send(status, answer, cut=len(answer) // 2)
                return
            if status == 200 and self.path.startswith("/search"):
                answer = self._twisted(kind, body, answer)
            self._send(status, answer)

        def _twisted(self, kind: str | None, body: bytes, answer: bytes) -> bytes:
            asked = json.loads(body)
            search = json.dumps([asked.get("collections"), asked.get("datetime")])
            page = json.loads(answer)
            following = [link for link in page["links"] if link["rel"] == "next"]
            before = proxy.pages.get(search)
            proxy.pages[search] = answer
            if kind == "repeat" and before is not None and before != answer:
                proxy.faults[kind] += 1
                proxy.pages[search] = before
                return json.dumps({**page, "features": json.loads(before)["features"]}).encode()
            if kind == "no_next" and following:
                proxy.faults[kind] += 1
                page["links"] = [link for link in page["links"] if link["rel"] != "next"]
                return json.dumps(page).encode()
            if kind == "loop" and following:
                proxy.faults[kind] += 1
                following[0]["body"] = asked
                following[0]["merge"] = False
                return json.dumps(page).encode()
            if kind in (*ODD, *SENSELESS):
                return json.dumps(self._odd(kind, asked, page, following)).encode()
            return answer

        def _odd(
            self, kind: str, asked: dict[str, Any], page: dict[str, Any], following: list[Any]
        ) -> dict[str, Any]:
            if kind in ("counts_less", "counts_more"):
                proxy.faults[kind] += 1
                page["numberMatched"] += 1 if kind == "counts_more" else -1
            for link in following:
                proxy.faults[kind] += 1
                if kind in SENSELESS:
                    link.update(_LINKS[kind])
                    continue
                if kind == "relative":
                    link["href"] = urlsplit(link["href"]).path
                    continue
                whole = asked | link["body"]
                changed = {key: of for key, of in whole.items() if asked.get(key) != of}
                link["merge"] = kind == "merge"
                link["body"] = changed if kind == "merge" else whole
            return page

        do_GET = do_POST = _serve  # noqa: N815 - the base class's names

    return Handler


@contextmanager
def proxied(upstream: str, **options: Any) -> Iterator[Proxy]:
    """Run a proxy before `upstream`; `options` are `Proxy`'s."""
    proxy = Proxy(upstream, **options)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    server.block_on_close = False
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
