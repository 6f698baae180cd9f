"""A STAC API as a sequence of requests and pages, asked through pystac-client."""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

import orjson
import requests
from pystac import Link, STACTypeError
from pystac_client import Client
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from geosr_lake.errors import PermanentSourceError, TransientSourceError, UsageError
from geosr_lake.net.apis import Api
from geosr_lake.net.errors import MissingSourceError
from geosr_lake.net.gate import Gate
from geosr_lake.net.http_session import BUSY, Timeouts, failure, session_to
from geosr_lake.net.policy import without_query
from geosr_lake.net.retry import BusySourceError, retrying

TRIES = 6
_NO_API = (
    *(MissingSourceError, NotImplementedError, APIError, ClientTypeError, STACTypeError),
    *(AttributeError, KeyError, TypeError, ValueError),
)
"""What pystac-client raises of a page that is no landing page of an API, or no STAC at all."""


@dataclass(frozen=True)
class Request:
    """One request for a page; equal `key`: the same request."""

    method: str
    href: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def key(self) -> bytes:
        """What tells this request from others."""
        return orjson.dumps(
            [self.method, self.href, self.body, self.headers], option=orjson.OPT_SORT_KEYS
        )


@dataclass(frozen=True)
class Page:
    """One page of a search: items as served, the request for the next, and how many there are."""

    items: Sequence[dict[str, Any]]
    next: Request | None
    matched: int | None


class _PoliteIO(StacApiIO):
    """pystac-client's way to the network, through a guarded session, with errors by class."""

    def __init__(self, api: Api, gate: Gate, timeouts: Timeouts, tries: int) -> None:
        super().__init__(max_retries=None)
        self.session = session_to(api.root, gate, timeouts)
        self._busy = BUSY | api.busy
        self._gate = gate
        self._tries = tries

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Return the text of an answer, asked for again a bounded number of times.

        Raises:
            TransientSourceError: If it may heal but did not within the tries.
            PermanentSourceError: If it will not.
        """
        return retrying(
            lambda: self._once(href, (method or "GET").upper(), headers, parameters),
            attempts=self._tries,
            longest_wait_s=300.0,
        )

    def _once(
        self,
        href: str,
        method: str,
        headers: dict[str, str] | None,
        parameters: dict[str, Any] | None,
    ) -> str:
        is_post, where = method == "POST", without_query(href)
        try:
            response = self.session.request(
                method,
                href,
                headers=headers,
                allow_redirects=False,
                json=parameters if is_post else None,
                params=None if is_post else parameters,
            )
        except (requests.RequestException, TypeError, ValueError) as problem:
            # What fails on the way is told by the session: this is no request at all.
            raise PermanentSourceError(
                f"A link of the API makes no request ({type(problem).__name__})", where=where
            ) from problem
        if not 200 <= response.status_code < 300:
            error = failure(response.status_code, response.headers, where, self._busy)
            if isinstance(error, BusySourceError) and error.wait_s:
                self._gate.hold(error.wait_s)
            raise error
        try:
            return _json_text(response.content)
        except (ValueError, RecursionError) as error:
            # Cut short without a length, or a proxy's page of words.
            raise TransientSourceError("The answer is not JSON", where=where) from error


def _json_text(content: bytes) -> str:
    """Return an answer as JSON, also if it has what only lenient writers put there.

    NaN, infinities and numbers beyond those of 64 bits, which nobody can know, become null; half a
    surrogate pair, which is no character, a question mark.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    try:
        orjson.loads(content)
        return content.decode()
    except ValueError:
        found = json.loads(
            content, parse_constant=lambda _: None, parse_float=_finite, parse_int=_finite
        )
        text = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace").decode()
        orjson.loads(text)
        return text


def _finite(digits: str) -> int | float | None:
    if digits.lstrip("-").isdigit() and len(digits) < 19:
        return int(digits)
    number = float(digits)
    return number if math.isfinite(number) else None


class StacApi:
    """One API, opened; may be asked from several threads.

    Args:
        api: Which.
        gate: The gate of the whole run.
        timeouts: Of each try.
        tries: Of each request.

    Raises:
        UsageError: If there is no STAC API with a search.
        SourceError: If it cannot be reached.
    """

    def __init__(
        self, api: Api, gate: Gate, *, timeouts: Timeouts | None = None, tries: int = TRIES
    ) -> None:
        self.api = api
        self._io = _PoliteIO(api, gate, timeouts or Timeouts(), tries)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about conformance: the search tells
                self._client = Client.open(api.root, stac_io=self._io)
                self._client.search(limit=1)
        except _NO_API as error:
            raise UsageError(
                "There is no STAC API with a search here",
                where=api.root,
                next_step="Name the URL of its landing page.",
            ) from error

    def check_collection(self, collection: str) -> None:
        """Check that the API has `collection`.

        Raises:
            UsageError: If it has not.
        """
        try:
            self._io.request(f"{self.api.root}/collections/{quote(collection, safe='')}")
        except PermanentSourceError as error:
            raise UsageError(
                f"The API has no collection {collection[:80]}",
                where=self.api.root,
                next_step=f"It lists them at {self.api.root}/collections.",
            ) from error

    def search(
        self,
        collection: str,
        interval: str,
        bbox: Sequence[float] | None = None,
        *,
        page_items: int | None = None,
        after_id: str | None = None,
    ) -> Request:
        """Return the request for the first page of the items of a collection in an interval.

        Args:
            collection: Its id.
            interval: Two times with a stroke between them, both ends included.
            bbox: West, south, east, north in degrees; None: everywhere.
            page_items: Items a page; None: what suits the API.
            after_id: Only items with greater ids.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search = self._client.search(
                method="POST",
                collections=[collection],
                datetime=interval,
                bbox=list(bbox) if bbox else None,
                limit=page_items or self.api.page_items,
                sortby="+id" if self.api.by_id else None,
                query={"id": {"gt": after_id}} if after_id is not None else None,
            )
        return Request("POST", search.url, search.get_parameters(), {})

    def page(self, request: Request) -> Page:
        """Return the page that a request asks for.

        Raises:
            SourceError: If it cannot be had.
        """
        text = self._io.request(
            request.href, request.method, dict(request.headers), dict(request.body)
        )
        found = orjson.loads(text)
        items = found.get("features") if isinstance(found, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise TransientSourceError(
                "The answer is no page of items", where=without_query(request.href)
            )
        try:
            following = _next_of(found, request)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PermanentSourceError(
                "The link to the next page makes no sense", where=without_query(request.href)
            ) from error
        return Page(items, following, _matched_of(found))


def _next_of(page: Mapping[str, Any], request: Request) -> Request | None:
    """Return the request of the page's `next` link, merged with this one where it says so.

    A link without a host is of the page that it stands in, as everywhere in STAC.
    """
    links = page.get("links")
    for fields in links if isinstance(links, list) else ():
        if isinstance(fields, dict) and fields.get("rel") == "next" and fields.get("href"):
            link = Link.from_dict(fields).to_dict(transform_href=False)
            method = str(link.get("method", "GET")).upper()
            body: dict[str, Any] = {}  # a GET link holds all in its address
            headers = {name: str(value) for name, value in _object(link.get("headers")).items()}
            if link.get("merge"):
                headers = {**request.headers, **headers}
            if method == "POST":
                merged = request.body if link.get("merge") else {}
                body = {**merged, **_object(link.get("body"))}
            return Request(method, urljoin(request.href, str(link["href"])), body, headers)
    return None


def _object(value: Any) -> dict[str, Any]:
    """Return an object of JSON, an empty one for none; raise for anything else."""
    if value is not None and not isinstance(value, dict):
        raise TypeError("no object")
    return value or {}


def _matched_of(page: Mapping[str, Any]) -> int | None:
    context = page.get("context")
    said = page.get("numberMatched", context.get("matched") if isinstance(context, dict) else None)
    return said if isinstance(said, int) and not isinstance(said, bool) and said >= 0 else None
