"""An object of an archive host as a file that can be read and sought in.

GDAL follows redirects to anywhere, remembers failures, and prints the URL it was given, signature
included. So it gets no URL: it reads through this object, which asks one allowed host for byte
ranges, never follows a redirect, checks that each answer is the range that was asked for, and tries
again what may heal. It has been run against a server on the same machine; real archives could not
be reached from there.
"""

import http.client
import io
import ssl
from collections import OrderedDict
from http import HTTPStatus
from urllib.parse import urlsplit

from geosr_lake.errors import PermanentSourceError, SourceError, TransientSourceError
from geosr_lake.net.errors import MissingSourceError
from geosr_lake.net.policy import RemoteFile, without_query
from geosr_lake.net.retry import BusySourceError, retrying
from geosr_lake.net.signing import Signer, sign

BLOCK_BYTES = 64 * 1024
CACHED_BLOCKS = 256
TIMEOUT_S = 30.0
_BUSY = {408, 425, 429, 500, 502, 503, 504}


class RangeFile:
    """The object, read from any position.

    Blocks of 64 KiB are kept, the last 256 of them; blocks that are missing side by side are asked
    for in one request. A failure never leaves `read` as an exception, because GDAL would lose it:
    `read` returns nothing and the error stands in `error`.

    Attributes:
        error: The first failure, None while all went well.
        requests: Requests sent.
    """

    def __init__(self, source: RemoteFile, *, signer: Signer = sign) -> None:
        self._url = source.url
        self._signer = signer
        self._refused_once = False
        self._connection: http.client.HTTPConnection | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._etag: str | None = None
        self.error: SourceError | None = None
        self.requests = 0
        self._size = -1
        self._fetch(0, 1)

    @property
    def size(self) -> int:
        """The object's length, bytes."""
        return self._size

    @property
    def etag(self) -> str | None:
        """What the host says tells this version of the object from others, if it says so."""
        return self._etag

    def read(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes, all if negative; none at the end or after a failure."""
        end = self._size if size < 0 else min(self._size, position + size)
        if end <= position or self.error is not None:
            return b""
        first, last = position // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        try:
            joined = b"".join(self._range(first, last + 1))
        except SourceError as error:
            self.error = error
            return b""
        return joined[position - first * BLOCK_BYTES :][: end - position]

    def release(self) -> None:
        """Give the connection and the blocks back; GDAL only closes its `RangeReader`s."""
        self._drop()
        self._blocks.clear()

    def _range(self, first: int, stop: int) -> list[bytes]:
        """Return the blocks from `first` up to `stop`, asking for those that are not there."""
        found: dict[int, bytes] = {}
        missing: list[int] = []
        for number in range(first, stop):
            block = self._blocks.get(number)
            if block is None:
                missing.append(number)
            else:
                self._blocks.move_to_end(number)
                found[number] = block
        while missing:
            run = 1
            while run < len(missing) and missing[run] == missing[0] + run:
                run += 1
            found |= self._fetch(missing[0], missing[0] + run)
            del missing[:run]
        return [found[number] for number in range(first, stop)]

    def _fetch(self, first: int, stop: int) -> dict[int, bytes]:
        body = retrying(lambda: self._request(first * BLOCK_BYTES, stop * BLOCK_BYTES))
        blocks = {
            first + i: body[i * BLOCK_BYTES : (i + 1) * BLOCK_BYTES] for i in range(stop - first)
        }
        self._blocks |= blocks
        while len(self._blocks) > CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return blocks

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            parts = urlsplit(self._url)
            if parts.scheme == "https":
                self._connection = http.client.HTTPSConnection(
                    parts.netloc, timeout=TIMEOUT_S, context=ssl.create_default_context()
                )
            else:
                self._connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
        return self._connection

    def _request(self, start: int, stop: int) -> bytes:
        """Ask once for the bytes from `start` up to `stop`."""
        where = without_query(self._url)
        parts = urlsplit(self._signer(self._url, self._refused_once))
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        self.requests += 1
        try:
            connection = self._connect()
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                self._drop()
                raise self._failure(response, where)
            body = response.read(stop - start + 1)
            if response.will_close or len(body) > stop - start:
                self._drop()
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise TransientSourceError(
                f"The connection failed ({type(error).__name__})",
                where=where,
                next_step="Run the same command again later.",
            ) from error
        try:
            self._check(response, start, stop, body, where)
        except SourceError:
            # What is left of a wrong answer must not be taken for the next one.
            self._drop()
            raise
        return body

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _failure(self, response: http.client.HTTPResponse, where: str) -> SourceError:
        status = response.status
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return MissingSourceError(f"The object is not there ({status})", where=where)
        if status in _BUSY:
            wait = response.getheader("Retry-After", "")
            return BusySourceError(
                f"The host answered {status}",
                where=where,
                wait_s=float(wait) if wait.isdigit() else None,
            )
        if status == HTTPStatus.FORBIDDEN and not self._refused_once:
            self._refused_once = True
            return TransientSourceError("The host refused the signature", where=where)
        if 300 <= status < 400:
            return PermanentSourceError("The host redirects; redirects are refused", where=where)
        if status == HTTPStatus.OK:
            return PermanentSourceError("The host does not serve byte ranges", where=where)
        return PermanentSourceError(f"The host answered {status}", where=where)

    def _check(
        self, response: http.client.HTTPResponse, start: int, stop: int, body: bytes, where: str
    ) -> None:
        """Check that the answer is the range that was asked for, of the same object as before."""
        span, _, total = (
            response.getheader("Content-Range", "").removeprefix("bytes ").partition("/")
        )
        if not total.isdigit():
            raise PermanentSourceError("The host does not say how long the object is", where=where)
        size, etag = int(total), response.getheader("ETag")
        if self._size < 0:
            self._size, self._etag = size, etag
        if (size, etag) != (self._size, self._etag):
            raise TransientSourceError("The object changed while it was read", where=where)
        end = min(stop, size)
        if span != f"{start}-{end - 1}" or len(body) != end - start:
            raise TransientSourceError("The answer is not the range asked for", where=where)


class RangeReader(io.RawIOBase):
    """A position in a `RangeFile`: GDAL opens a file more than once, and closes each."""

    def __init__(self, file: RangeFile) -> None:
        super().__init__()
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        """Say that the file can be read."""
        return True

    def seekable(self) -> bool:
        """Say that the file can be sought in."""
        return True

    def tell(self) -> int:
        """Return the position, bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes from the position, as `RangeFile.read` does."""
        data = self._file.read(self._at, size)
        self._at += len(data)
        return data
