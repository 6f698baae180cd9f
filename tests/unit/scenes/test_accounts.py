"""The accounts: every record is somewhere, and a sum that does not hold is said."""

import pytest

from geosr_lake.errors import GeoSRError
from geosr_lake.scenes.accounts import FileCounts, Tally, by_file, check_lake

TALLIES = [
    Tally("b", "read", None, 3),
    Tally("b", "read", None, 6),
    Tally("b", "left_out", None, 1),
    Tally("b", "left_out", "deprecated", 1),
    Tally("b", "kept", None, 3),
    Tally("b", "repeated", None, 1),
    Tally("b", "repeated", "json_invalid", 1),
    Tally("b", "unsupported", "product_not_paired", 1),
    Tally("b", "quarantined", "json_invalid", 1),
    Tally("a", "read", None, 0),
]


def test_counts_by_file() -> None:
    reasons = {"json_invalid": 1, "product_not_paired": 1}
    assert by_file(TALLIES) == (
        FileCounts("a", 0, 0, 0, 0, 0, {}),
        FileCounts("b", 9, 3, 2, 1, 1, reasons, left_out=2),
    )


@pytest.mark.parametrize("lost", [0, 2, 4, 7])
def test_a_record_that_is_lost_is_a_bug(lost: int) -> None:
    with pytest.raises(GeoSRError, match="do not add up") as caught:
        by_file([tally for i, tally in enumerate(TALLIES) if i != lost])
    assert caught.value.where == "b"
    assert caught.value.next_step is not None


def test_the_lakes_sum() -> None:
    check_lake(10, 7, 3, "lake")
    with pytest.raises(GeoSRError, match="kept items and items in scenes are 10 and 9"):
        check_lake(10, 7, 2, "lake")
