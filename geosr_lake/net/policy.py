"""Which hrefs may be opened: allow-listed hosts over https, files below declared roots.

Hrefs come from archives' items, that is from outside. Everything that is not plainly one of these
two is refused; nothing is guessed.
"""

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from geosr_lake.errors import UnsafeInputError, UsageError
from geosr_lake.redact import unsigned

PLANETARY_COMPUTER_HOSTS = frozenset(
    {
        "landsateuwest.blob.core.windows.net",
        "modiseuwest.blob.core.windows.net",
        "naipeuwest.blob.core.windows.net",
        "sentinel2l2a01.blob.core.windows.net",
    }
)
"""Storage accounts of the four sensors' collections; their reads need a signature."""

ARCHIVE_HOSTS = PLANETARY_COMPUTER_HOSTS | {
    "landsatlook.usgs.gov",
    "sentinel-cogs.s3.us-west-2.amazonaws.com",
    "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com",  # of sentinel-2-c1-l2a
}
"""Hosts that may be read without further ado; some of them want an account all the same."""

ALLOW_HOSTS_VARIABLE = "GEOSR_ALLOW_HOSTS"

_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*:")


@dataclass(frozen=True)
class LocalFile:
    """A file below a declared root; `path` has no symbolic link in it."""

    path: Path


@dataclass(frozen=True)
class RemoteFile:
    """An object of an allowed host; `url` is unsigned."""

    url: str


@dataclass(frozen=True)
class SourcePolicy:
    """What may be opened.

    Attributes:
        roots: Folders, absolute and without symbolic links, below which files may be read.
        hosts: Host names, lower case, that may be read over https. An entry with a port, such as
            ``127.0.0.1:8080``, must be of this machine and is read over http: a mirror of one's
            own.
    """

    roots: tuple[Path, ...] = ()
    hosts: frozenset[str] = ARCHIVE_HOSTS

    @classmethod
    def of(cls, roots: Iterable[str | Path] = ()) -> "SourcePolicy":
        """Return the policy for these roots and the hosts of ``GEOSR_ALLOW_HOSTS``.

        Raises:
            UsageError: If a root is no folder, or the variable holds something else than hosts.
        """
        real = []
        for root in roots:
            path = Path(root)
            if not path.is_dir():
                raise UsageError(
                    "A source root is not a folder",
                    where=str(path),
                    next_step="Name the folder below which the archive's files lie.",
                )
            real.append(path.resolve(strict=True))
        named = os.environ.get(ALLOW_HOSTS_VARIABLE, "")
        extra = {name.strip().lower() for name in named.split(",") if name.strip()}
        for host in extra:
            if ":" in host and not _is_loopback(host):
                raise UsageError(
                    f"{host} has a port but is not of this machine",
                    where=ALLOW_HOSTS_VARIABLE,
                    next_step="Name hosts without a port: they are read over https.",
                )
        return cls(tuple(dict.fromkeys(real)), ARCHIVE_HOSTS | extra)

    def trusting(self, href: str) -> "SourcePolicy":
        """Return this policy with the host of an address that the user has named."""
        if not href.startswith(("http://", "https://")):
            return self
        return SourcePolicy(self.roots, self.hosts | {urlsplit(href).netloc.lower()})

    def locate(self, href: str) -> LocalFile | RemoteFile:
        """Return what `href` names, if the policy lets it be opened.

        A relative path is looked for below each root in turn. The file need not exist.

        Raises:
            UnsafeInputError: If the policy forbids it.
        """
        if not href or _CONTROL.search(href) or len(href) > 4096:
            raise _refused("it is empty, too long or holds control characters", href)
        if href.startswith(("http://", "https://")):
            return self._remote(urlsplit(href), href)
        if href.startswith("file://"):
            parts = urlsplit(href)
            if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
                raise _refused("a file URL names a host or has a query", href)
            return self._local(unquote(parts.path), href)
        if _SCHEME.match(href):
            raise _refused("only https and files are opened", href)
        return self._local(href, href)

    def _local(self, path: str, href: str) -> LocalFile:
        if "\x00" in path or not self.roots:
            raise _refused("no source root is declared", href, "Declare one with --source-root.")
        candidates = [Path(path)] if path.startswith("/") else [root / path for root in self.roots]
        # A link may lead out of the root, so the decision is taken on what is really meant.
        allowed = [
            real
            for real in (candidate.resolve() for candidate in candidates)
            if any(real.is_relative_to(root) for root in self.roots)
        ]
        if not allowed:
            raise _refused("it lies outside the source roots", href, "Check --source-root.")
        return LocalFile(next((real for real in allowed if real.exists()), allowed[0]))

    def _remote(self, parts: SplitResult, href: str) -> RemoteFile:
        if "@" in parts.netloc or parts.fragment:
            raise _refused("the URL carries credentials or a fragment", href)
        if unsigned(href) != href:
            raise _refused("the URL is signed", href, "Store hrefs unsigned.")
        host = parts.netloc.lower()
        if host not in self.hosts:
            raise _refused(
                f"the host {host[:80]} is not allowed", href, f"See {ALLOW_HOSTS_VARIABLE}."
            )
        if parts.scheme != ("http" if _is_loopback(host) else "https"):
            raise _refused("archives are read over https only", href)
        return RemoteFile(parts.geturl())


def without_query(href: str) -> str:
    """Return `href` up to its query: safe to print, since signatures stand in the query."""
    return href.split("?", 1)[0].split("#", 1)[0]


def _is_loopback(host: str) -> bool:
    """Tell whether `host` is a numeric loopback address with a port."""
    name, _, port = host.rpartition(":")
    if not port.isdigit():
        return False
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _refused(why: str, href: str, next_step: str | None = None) -> UnsafeInputError:
    shown = "".join(c if c.isprintable() else "?" for c in without_query(href)[:200])
    if "@" in shown:
        shown = "(an address with credentials)"
    return UnsafeInputError(
        f"This source is not opened: {why}", where=shown or None, next_step=next_step
    )
