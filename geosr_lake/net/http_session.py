"""A session to one host: one origin, bounded time and bytes, a rate, and errors by their class."""

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from geosr_lake import __version__
from geosr_lake.errors import (
    PermanentSourceError,
    SourceError,
    TransientSourceError,
    UnsafeInputError,
)
from geosr_lake.net.errors import MissingSourceError
from geosr_lake.net.gate import Gate
from geosr_lake.net.policy import without_query
from geosr_lake.net.retry import BusySourceError

MAX_BODY_BYTES = 64 * 2**20
_CHUNK_BYTES = 64 * 1024
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may heal."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds until an answer is given up: to connect, between two pieces, and in all."""

    connect_s: float = 10.0
    read_s: float = 30.0
    total_s: float = 120.0


def origin_of(url: str) -> tuple[str, str]:
    """Return scheme and host with port, lower case: what a session is bound to."""
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def retry_after_s(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the wait that `Retry-After` asks for, seconds; None where it does not say.

    A date counts from the answer's own `Date` where it has one, so that clocks need not agree; that
    is cut to whole seconds, so the wait is rather too long than too short.

    Args:
        headers: Of the answer.
        now: Seconds since 1970 by this machine's clock.
    """
    said = headers.get("Retry-After", "").strip()
    if not said:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(said).timestamp()
    except ValueError:
        return None
    try:
        asked = email.utils.parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except ValueError:
        asked = time.time() if now is None else now
    return max(0.0, until - asked)


def failure(
    status: int, headers: Mapping[str, str], where: str, busy: frozenset[int] = BUSY
) -> SourceError:
    """Return the error that an answer other than 2xx stands for."""
    if status in busy:
        return BusySourceError(
            f"The host answered {status}", where=where, wait_s=retry_after_s(headers)
        )
    if status in (404, 410):
        return MissingSourceError(f"The host has no such thing ({status})", where=where)
    if 300 <= status < 400:
        return PermanentSourceError("The host redirects; redirects are refused", where=where)
    return PermanentSourceError(f"The host answered {status}", where=where)


class _Guard(HTTPAdapter):
    """Sends a request if it goes to the one origin, when the gate opens, and reads the answer."""

    def __init__(self, origin: tuple[str, str], gate: Gate, timeouts: Timeouts) -> None:
        super().__init__(max_retries=0, pool_maxsize=64)
        self._origin = origin
        self._gate = gate
        self._timeouts = timeouts

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        url = str(request.url)
        where = without_query(url)
        if origin_of(url) != self._origin:
            raise UnsafeInputError(
                "A link leads to another host than the one that was named; it is not followed",
                where=where,
            )
        self._gate.enter()
        limits = self._timeouts
        deadline = time.monotonic() + limits.total_s
        first_s = min(limits.read_s, limits.total_s)
        try:
            response = super().send(
                request, stream=True, timeout=(limits.connect_s, first_s), verify=verify
            )
            try:
                # What requests itself sets when it has read a body.
                response._content = _body(response, deadline, limits.read_s, where)  # noqa: SLF001
                response._content_consumed = True  # noqa: SLF001
            finally:
                response.close()
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise TransientSourceError(
                f"The connection failed ({type(error).__name__})",
                where=where,
                next_step="Run the same command again later.",
            ) from error
        return response


def _body(response: requests.Response, deadline: float, read_s: float, where: str) -> bytes:
    """Return the whole body, unpacked, within the deadline and the limit of bytes."""
    pieces: list[bytes] = []
    size = 0
    raw = response.raw
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TransientSourceError("The answer took too long", where=where)
        socket = getattr(getattr(raw, "connection", None), "sock", None)
        if socket is not None:
            socket.settimeout(max(0.01, min(read_s, left_s)))
        piece = raw.read1(_CHUNK_BYTES, decode_content=True)
        if not piece:
            return b"".join(pieces)
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise PermanentSourceError(
                f"The answer is longer than {MAX_BODY_BYTES // 2**20} MiB", where=where
            )
        pieces.append(piece)


def session_to(root: str, gate: Gate, timeouts: Timeouts) -> requests.Session:
    """Return a session that talks to the origin of `root` only.

    No cookies, no redirects, and nothing from the environment: no proxy, no password of a
    ``.netrc``.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = f"geosr_lake/{__version__}"
    guard = _Guard(origin_of(root), gate, timeouts)
    session.mount("https://", guard)
    session.mount("http://", guard)
    return session
