"""Secrets in links and texts: what is stored or printed goes through here first.

Signed links carry their signature as query parameters; some archives also write a token beside
the link. Both are worth nothing later and grant access now, so hrefs are stored unsigned and any
other text (evidence, messages) has the values of such parameters blotted out.
"""

import re
from typing import Any
from urllib.parse import unquote_plus, urlsplit, urlunsplit

REDACTED = "REDACTED"

_AZURE_SAS = "sig se st sp sv sr spr sip si ske skt sks skv skoid sktid skn saoid suoid scid srt ss"
_AMAZON = "awsaccesskeyid signature expires policy key-pair-id"
_GOOGLE = "googleaccessid"
_OTHERS = (
    "token access_token refresh_token id_token auth_token session_token sas sas_token apikey "
    "api_key api-key subscription-key key password passwd pwd secret client_secret credential "
    "authorization auth jwt account_key access_key shared_access_key connection_string"
)
SECRET_PARAMETERS = frozenset(f"{_AZURE_SAS} {_AMAZON} {_GOOGLE} {_OTHERS}".split())
"""Names of query parameters, lower case, that sign a request or let one in."""
SECRET_PREFIXES = ("x-amz-", "x-goog-", "x-ms-", "x-oss-")
"""Beginnings of such names."""

_SECRET_NAMES = "|".join(
    [
        *(rf"{re.escape(prefix)}[a-z-]+" for prefix in SECRET_PREFIXES),
        *(re.escape(name) for name in sorted(SECRET_PARAMETERS, key=lambda n: (-len(n), n))),
    ]
)
# A parameter begins after ? & ; or #, which JSON, HTML and URLs may have escaped.
_BEGIN = r"(?:[?&;#]|\\u0026|\\u003f|&amp;|%26|%3f)"
_PARAMETER = re.compile(
    rf"({_BEGIN}(?:{_SECRET_NAMES})(?:=|%3d|\\u003d))([^&;\s\"'<>\\]+)", re.IGNORECASE
)
_LONG_NAMES = "|".join(
    re.escape(name)
    for name in sorted(SECRET_PARAMETERS, key=lambda n: (-len(n), n))
    if len(name) > 4 and name not in {"expires", "policy"}
)
_FIELD = re.compile(
    rf"(\\?[\"'](?:[\w:.-]*[_:.-])?(?:{_LONG_NAMES}|{'|'.join(SECRET_PREFIXES)}[a-z-]+)\\?[\"']"
    rf"\s*[:=]\s*\\?[\"'])([^\"'\\]+)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"\b((?:bearer|basic|sharedaccesssignature)\s+)([\w.~+/=%&-]{8,})", re.IGNORECASE
)
# Schemes are short: without a bound a long run of letters would be looked through from each.
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]{0,30}://)([^/\s\"'@?#]+)@", re.IGNORECASE)
SIGNED_HREF = (
    "(?i)[?&;#]("
    + "|".join(
        [
            *sorted(SECRET_PARAMETERS, key=lambda name: (-len(name), name)),
            *(f"{prefix}[a-z-]+" for prefix in SECRET_PREFIXES),
        ]
    )
    + ")="
)
"""What shows that a link is signed, as a pattern that Java reads as Python does and that needs no
escapes: the constraints of the tables hold it too, and `unsigned` leaves nothing that it finds."""
_LEFT = re.compile(SIGNED_HREF)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}://", re.IGNORECASE)


def _is_secret(parameter: str) -> bool:
    name = unquote_plus(parameter.partition("=")[0]).strip().lower()
    return name in SECRET_PARAMETERS or name.startswith(SECRET_PREFIXES)


def unsigned(href: str) -> str:
    """Return `href` without the parameters that sign it and without a user's name and password.

    Other parameters stay, in their order and spelling. A link without any is returned as it is.
    """
    if not any(mark in href for mark in "?@#&;"):
        return href
    clean = _without_secrets(href)
    # What is not written as a query should be, but shows a secret all the same, ends before it.
    left = _LEFT.search(clean)
    return clean if left is None else clean[: left.start()]


def _without_secrets(href: str) -> str:
    try:
        parts = urlsplit(href)
    except ValueError:  # brackets that are no IPv6 address, for example
        return redact(href)
    host = parts.netloc.rpartition("@")[2] if _SCHEME.match(href) else parts.netloc
    query, fragment = (
        "&".join(p for p in re.split("[&;]", part) if p and not _is_secret(p))
        if any(map(_is_secret, re.split("[&;]", part)))
        else part
        for part in (parts.query, parts.fragment)
    )
    if (host, query, fragment) == (parts.netloc, parts.query, parts.fragment):
        return href
    return urlunsplit(parts._replace(netloc=host, query=query, fragment=fragment))


def shows_secret(text: str) -> bool:
    """Tell whether a text has what `SIGNED_HREF` finds."""
    return _LEFT.search(text) is not None


def redact(text: str) -> str:
    """Return `text` with every signature, token and password that it shows blotted out.

    Works on any text: a message, a traceback, JSON with escaped links. Names stay, values go.
    """
    text = _USERINFO.sub(rf"\1{REDACTED}@", text)
    text = _PARAMETER.sub(rf"\1{REDACTED}", text)
    text = _FIELD.sub(rf"\1{REDACTED}", text)
    return _BARE.sub(rf"\1{REDACTED}", text)


_SECRET_KEY = re.compile(
    rf"(?:.*[_:.-])?(?:{_LONG_NAMES}|sas|sig|{'|'.join(SECRET_PREFIXES)}[a-z-]+)", re.IGNORECASE
)


def without_secrets(value: Any) -> Any:
    """Return a parsed document without what signs or lets in, at any depth.

    Links lose their signatures, entries whose name says that they hold a secret are left out
    (`credential` in `xarray:storage_options`, for example), and other texts are redacted.
    """
    if isinstance(value, dict):
        return {
            key: without_secrets(entry)
            for key, entry in value.items()
            if not (isinstance(key, str) and isinstance(entry, str) and _SECRET_KEY.fullmatch(key))
        }
    if isinstance(value, list):
        return [without_secrets(entry) for entry in value]
    if isinstance(value, str):
        return redact(value if re.search(r"\s", value) else unsigned(value))
    return value
