"""Why an item is not kept: short stable codes, each with its outcome and what it says."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["kept", "unsupported", "quarantined", "withdrawn"]

KEPT: Outcome = "kept"
UNSUPPORTED: Outcome = "unsupported"
QUARANTINED: Outcome = "quarantined"
WITHDRAWN: Outcome = "withdrawn"
DEPRECATED = "deprecated"
BY_USER = "withdrawn_by_user"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason.

    Attributes:
        code: As `items.reason` has it; does not change once it was released.
        outcome: `unsupported` (nothing is wrong with the item), `quarantined` (something is) or
            `withdrawn` (it, and its older versions, no longer count).
        says: What it means, one clause.
    """

    code: str
    outcome: Outcome
    says: str


_UNSUPPORTED = {
    "stac_version_unknown": "the item names a STAC version that is none",
    "stac_after_1": "the item is written in a STAC version after 1.x",
    "collection_or_catalog": "the document is a STAC collection or catalog, not an item",
    "sensor_unknown": "the item is of no sensor that is read here",
    "product_not_paired": "the product holds no surface reflectance that a pair could use",
}
_QUARANTINED = {
    "file_unreadable": "the file, or the rest of it, could not be read",
    "row_unreadable": "a value of the row is no text or no time",
    "json_invalid": "the text is not JSON",
    "not_an_item": "the document is not a STAC item",
    "item_too_large": "the item is longer than the limit",
    "item_too_deep": "the item is nested deeper than the limit",
    "too_many_assets": "the item has more assets than the limit",
    "too_many_vertices": "the footprint has more vertices than the limit",
    "id_invalid": "the item has no id, or an id or collection that cannot be one",
    "id_not_understood": "the id does not say which acquisition this is, nor do the properties",
    "tile_contradicts_id": "properties and id name different tiles",
    "time_missing": "the item does not say when it was acquired",
    "time_invalid": "a time is not RFC 3339, lies outside 1972 to 2099, or ends before it starts",
    "time_contradicts_id": "the time lies more than a day away from the day of the id",
    "geometry_missing": "the item has no geometry",
    "geometry_malformed": "the geometry is not GeoJSON or WKB",
    "geometry_not_polygon": "the geometry is no polygon, or has no area",
    "geometry_not_finite": "a coordinate is not a finite number",
    "geometry_out_of_range": "a latitude lies beyond 90 or a longitude beyond 360 degrees",
    "geometry_invalid": "repairing the footprint would change its area by more than 1 %",
    "geometry_too_wide": "the footprint is wider than 180 degrees",
    "cloud_out_of_range": "the cloud cover is no number from 0 to 100",
    "snow_out_of_range": "the snow cover is no number from 0 to 100",
}
_WITHDRAWN = {
    DEPRECATED: "the archive says that the item is deprecated",
    BY_USER: "it was withdrawn by `geosr scenes withdraw`",
}

REASONS: dict[str, Reason] = {
    code: Reason(code, outcome, says)
    for outcome, group in (
        (UNSUPPORTED, _UNSUPPORTED),
        (QUARANTINED, _QUARANTINED),
        (WITHDRAWN, _WITHDRAWN),
    )
    for code, says in group.items()
}
"""Every reason by its code."""


class Rejected(Exception):  # noqa: N818 - it never leaves this package: control flow, not an error
    """An item does not become a scene.

    Args:
        code: One of `REASONS`.
    """

    def __init__(self, code: str) -> None:
        self.reason = REASONS[code]
        super().__init__(code)
