"""Slices out of an API: one at a time by `fetch_slice`, many in parallel by `Fetcher`."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from typing import Any

from geosr_lake.errors import SourceError
from geosr_lake.net.apis import day_interval
from geosr_lake.net.paging import FAULTS, Listing, PagingError, follow
from geosr_lake.net.retry import BusySourceError
from geosr_lake.net.stac import Request, StacApi
from geosr_lake.scenes.slices import Slice
from geosr_lake.scenes.spool import Draft, Spooled

Take = Callable[[Sequence[dict[str, Any]]], None]

LISTINGS = 2
"""Times that a slice is listed from its beginning before it is left undone."""
LEAST_PAGE_ITEMS = 12


@dataclass(frozen=True)
class Failed:
    """A slice that was left undone; `down`: the API refused, its pages were not at fault."""

    slice: Slice
    reason: str
    faults: dict[str, int]
    fetched_at: datetime
    down: bool = False


def fetch_slice(api: StacApi, part: Slice, spool: Path) -> Spooled | Failed:
    """Return a slice in the spool, or why it is not there: nothing of it is left then."""
    started = datetime.now(UTC)
    page_items, listings = api.api.page_items, 0
    faults: dict[str, int] = {}
    while True:
        draft = Draft(spool, part)
        try:
            listing = _whole(api, part, page_items, draft.add)
            return draft.finish(
                pages=listing.pages,
                matched=listing.matched,
                faults=_sum(faults, listing.faults),
                fetched_at=started,
            )
        except SourceError as error:
            draft.discard()
            if isinstance(error, PagingError):
                faults = _sum(faults, error.faults)
            listings += 1
            if isinstance(error, PagingError) and listings < LISTINGS:
                continue
            too_long = api.api.shrinks and isinstance(error, BusySourceError) and not error.wait_s
            if too_long and page_items // 2 >= LEAST_PAGE_ITEMS:
                page_items //= 2
                continue
            down = not isinstance(error, PagingError)
            return Failed(part, error.what, faults, started, down=down)
        except BaseException:
            draft.discard()
            raise


def _whole(api: StacApi, part: Slice, page_items: int, take: Take) -> Listing:
    """List a slice; a listing that is unsure is whole if pages of another length bring as much.

    Raises:
        PagingError: If it is not whole.
        SourceError: If a page cannot be had.
    """
    listing = _listed(api, part, page_items, take)
    if listing.unsure:
        # Than were given, not than were asked for: the same cut would fall at the same place.
        shorter = max(1, min(page_items, listing.longest) - 1)
        again = _listed(api, part, shorter, lambda _: None)
        if again.items != listing.items:
            code = "next_missing"
            faults = _sum(_sum(listing.faults, again.faults), {code: 1})
            raise PagingError(FAULTS[code].capitalize(), code=code, faults=faults)
    return listing


def _listed(api: StacApi, part: Slice, page_items: int, take: Take) -> Listing:
    def search(after_id: str | None = None) -> Request:
        return api.search(
            part.collection,
            day_interval(part.day),
            part.bbox,
            page_items=page_items,
            after_id=after_id,
        )

    return follow(
        search(),
        api.page,
        take,
        collection=part.collection,
        page_items=page_items,
        after_id=search if api.api.by_id else None,
    )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {code: one.get(code, 0) + other.get(code, 0) for code in sorted({*one, *other})}


class Fetcher:
    """Fetches slices with some threads; those in a row that the API refuses end it.

    The threads run ahead of who takes the slices by a few only, so that the spool stays small, and
    they die with the process.

    Args:
        api: The API.
        slices: What to fetch, in this order.
        spool: Where to.
        workers: Threads.
        give_up_after: So many slices refused and none had between them: the API is down, those that
            are left are not asked for.
    """

    def __init__(
        self,
        api: StacApi,
        slices: Sequence[Slice],
        spool: Path,
        *,
        workers: int,
        give_up_after: int,
    ) -> None:
        self._api = api
        self._spool = spool
        self._todo = iter(slices)
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._results: Queue[Spooled | Failed | BaseException | None] = Queue(2 * workers)
        self._give_up_after = give_up_after
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]

    def __iter__(self) -> Iterator[Spooled | Failed]:
        """Yield what becomes of each slice that is asked for."""
        for thread in self._threads:
            thread.start()
        working, failures = len(self._threads), 0
        try:
            while working:
                result = self._results.get()
                if result is None:
                    working -= 1
                    continue
                if isinstance(result, BaseException):
                    raise result
                down = isinstance(result, Failed) and result.down
                failures = failures + 1 if down else 0
                if failures >= self._give_up_after:
                    self._stop.set()
                yield result
        finally:
            self._stop.set()

    def _next(self) -> Slice | None:
        with self._mutex:
            return None if self._stop.is_set() else next(self._todo, None)

    def _work(self) -> None:
        try:
            while (part := self._next()) is not None:
                self._results.put(fetch_slice(self._api, part, self._spool))
        except BaseException as error:  # noqa: BLE001 - the one who takes the slices raises it
            self._results.put(error)
        self._results.put(None)
