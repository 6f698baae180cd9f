"""What a lake must hold of a STAC API's items, by the items' own text."""

from collections import Counter
from datetime import date
from typing import Any

from stac_server import Server

from geosr_lake.lake import Lake


def ids_of(lake: Lake) -> Counter[str]:
    """Return how often each id stands in `items`."""
    return Counter(lake.arrow("items")["item_id"].to_pylist())


def between(server: Server, collection: str, days: tuple[date, date]) -> set[str]:
    """Return the ids of the loaded items whose time meets the days."""
    first, last = (day.isoformat() for day in days)
    found = set()
    for item in server.items.values():
        properties: dict[str, Any] = item["properties"]
        start = properties.get("datetime") or properties["start_datetime"]
        end = properties.get("datetime") or properties["end_datetime"]
        if item["collection"] == collection and start[:10] <= last and end[:10] >= first:
            found.add(item["id"])
    return found
