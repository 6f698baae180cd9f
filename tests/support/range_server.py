"""A host on this machine that serves one object by ranges, and misbehaves as told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Host:
    """What the server does: one word a request from `script`, then ``ok`` for ever."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.script: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/archive/x.tif"

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"


def _handler(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            host.requests.append((self.path, asked))
            word = host.script.pop(0) if host.script else "ok"
            first, last = (int(n) for n in asked.removeprefix("bytes=").split("-"))
            size = len(host.content)
            last = min(last, size - 1)
            body = host.content[first : last + 1]
            span = {"Content_Range": f"bytes {first}-{last}/{size}", "ETag": '"one"'}
            if word == "ok":
                self._send(206, body, **span)
            elif word.isdigit():
                self._send(int(word), b"no", Retry_After="0")
            elif word == "whole":
                self._send(200, host.content)
            elif word == "redirect":
                self._send(302, Location="http://127.0.0.1:1/elsewhere")
            elif word == "changed":
                self._send(206, body, Content_Range=span["Content_Range"], ETag='"two"')
            elif word == "wrong_range":
                self._send(206, body, Content_Range=f"bytes 0-{len(body) - 1}/{size}", ETag='"one"')
            elif word == "short":
                self.send_response(206)
                for name, value in span.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            elif word == "reset":
                self.connection.close()
                self.close_connection = True

    return Handler


@contextmanager
def serving(content: bytes) -> Iterator[Host]:
    host = Host(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(host))
    server.daemon_threads = True
    host.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
