"""Slices fetched from an API through a proxy, without a lake."""

import dataclasses
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from fault_proxy import Proxy

from geosr_lake.net.apis import Api, api_of
from geosr_lake.net.gate import Gate
from geosr_lake.net.http_session import Timeouts
from geosr_lake.net.stac import StacApi
from geosr_lake.scenes.fetch import Failed, Fetcher
from geosr_lake.scenes.slices import plan
from geosr_lake.scenes.spool import Spooled

NAIP = (date(2013, 8, 1), date(2013, 8, 31))
"""Days with up to 61 items."""
FULL = date(2013, 8, 6)
"""The one with 61."""
SMALL = 7
"""Items a page where a test does not say."""
QUICK = Timeouts(connect_s=2.0, read_s=0.5, total_s=5.0)


def fetch(
    proxy: Proxy,
    spool: Path,
    *,
    api: Api | None = None,
    collection: str = "naip",
    days: tuple[date, date] = NAIP,
    page_items: int = SMALL,
    **of: Any,
) -> tuple[Counter[str], list[Failed], list[Spooled]]:
    """Fetch slices as `api` would have it, from the proxy; return ids, failures and successes."""
    asked = dataclasses.replace(api or api_of(proxy.url), root=proxy.url, page_items=page_items)
    opened = StacApi(asked, Gate(of.get("rate", 200.0)), timeouts=QUICK, tries=of.get("tries", 6))
    slices = plan(proxy.url, [collection], days, None)
    results = list(Fetcher(opened, slices, spool, workers=4, give_up_after=of.get("up", 9)))
    done = [result for result in results if isinstance(result, Spooled)]
    ids: Counter[str] = Counter()
    for one in done:
        ids.update(json.loads(line)["id"] for line in one.file.read_text().splitlines())
        assert one.items == len(one.file.read_text().splitlines())
    return ids, [result for result in results if isinstance(result, Failed)], done
