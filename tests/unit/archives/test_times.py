"""Times: what is read, what is refused, and that nothing depends on a zone."""

import time
from datetime import UTC, date, datetime, timedelta

import pytest
from stac_items import frame, landsat, naip, row, sentinel2

from geosr_lake.archives.item import read_frame
from geosr_lake.archives.reasons import Rejected
from geosr_lake.archives.times import (
    Interval,
    near_day,
    parse_time,
    stamp,
    stated_interval,
    whole_days,
)

NOON = datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29T12:30:15Z", NOON),
        ("2024-02-29T12:30:15+00:00", NOON),
        ("2024-02-29T12:30:15", NOON),
        ("2024-02-29 12:30:15Z", NOON),
        ("2024-02-29T18:15:15+05:45", NOON),
        ("2024-02-29T09:00:15-03:30", NOON),
        (" 2024-02-29T12:30:15Z ", NOON),
        ("2024-02-29T12:30:15.1Z", NOON + timedelta(microseconds=100_000)),
        ("2024-02-29T12:30:15.123456789Z", NOON + timedelta(microseconds=123_456)),
        ("2024-02-29T12:30Z", NOON - timedelta(seconds=15)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Asia/Kathmandu", "Pacific/Chatham"])
def test_times_that_are_read(
    text: str, moment: datetime, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert parse_time(text) == moment
        assert parse_time(text).utcoffset() == timedelta(0)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "value",
    [
        "2024-02-30T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2024-02-29T25:00:00Z",
        "0001-01-01T00:00:00Z",
        "1971-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "yesterday",
        "",
        20240229,
        None,
        ["2024-02-29T12:30:15Z"],
    ],
)
def test_times_that_are_refused(value: object) -> None:
    with pytest.raises(Rejected, match="time_invalid"):
        parse_time(value)
    assert stamp(value) == ""


def _stated(**properties: object) -> Interval | None:
    return stated_interval(read_frame(frame("x", "y", None, **properties), "/"))


def test_an_instant_is_an_interval_without_length() -> None:
    found = _stated(
        datetime="2024-02-29T12:30:15Z",
        start_datetime="2024-02-01T00:00:00Z",
        end_datetime="2024-03-01T00:00:00Z",
    )
    assert found == Interval(NOON, NOON)


def test_start_and_end_where_there_is_no_instant() -> None:
    both = {"start_datetime": "2024-02-29T12:30:15Z", "end_datetime": "2024-03-01T00:00:00Z"}
    assert _stated(datetime=None, **both) == Interval(NOON, datetime(2024, 3, 1, tzinfo=UTC))
    assert _stated(start_datetime="2024-02-29T12:30:15Z") == Interval(NOON, NOON)
    assert _stated(end_datetime="2024-02-29T12:30:15Z") == Interval(NOON, NOON)
    assert _stated(datetime=None) is None
    with pytest.raises(Rejected, match="time_invalid"):
        _stated(start_datetime=both["end_datetime"], end_datetime=both["start_datetime"])


def test_a_date_alone_is_its_whole_day() -> None:
    assert _stated(datetime="2024-02-29") == whole_days(date(2024, 2, 29))
    assert whole_days(date(2024, 2, 29), 8).end == datetime(2024, 3, 8, tzinfo=UTC)


def test_stamps_sort_as_times() -> None:
    texts = ["2024-02-29T12:30:15.9Z", "2024-02-29T12:30:16Z", "2024-03-01T00:00:00+14:00"]
    assert [stamp(t) for t in (texts[2], *texts[:2])] == sorted(stamp(t) for t in texts)


def test_near_a_day() -> None:
    day = date(2024, 2, 29)
    edge = datetime(2024, 3, 2, tzinfo=UTC)
    just_before = edge - timedelta(microseconds=1)
    assert near_day(Interval(just_before, just_before), day)
    assert not near_day(Interval(edge, edge), day)


@pytest.mark.parametrize("moment", ["2022-08-27T00:00:00Z", "2022-08-27T16:00:00Z", None])
def test_naip_knows_the_day_only(moment: str | None) -> None:
    item = naip(day="20220827")
    item["properties"]["datetime"] = moment
    found = row(item)
    assert found["t_start"] == datetime(2022, 8, 27, tzinfo=UTC)
    assert found["t_end"] == datetime(2022, 8, 28, tzinfo=UTC)


@pytest.mark.parametrize("moment", ["2020-01-01T00:00:00Z", "2020-01-01", None])
def test_old_landsat_items_know_the_day_only(moment: str | None) -> None:
    item = landsat(day="20200101")
    item["properties"]["datetime"] = moment
    found = row(item)
    assert found["t_start"] == datetime(2020, 1, 1, tzinfo=UTC)
    assert found["t_end"] == datetime(2020, 1, 2, tzinfo=UTC)


def test_a_landsat_instant_is_one() -> None:
    found = row(landsat())
    assert found["t_start"] == found["t_end"] == datetime(2024, 9, 8, 17, 37, 11, 903003, UTC)


def test_a_start_far_from_the_day_that_groups_is_quarantined() -> None:
    """Else a scene would have two times, and who reads near one of them would miss the other."""
    seen = sentinel2(sensed="20240803T180011", strip="20240803T180500")
    for moment, reason in (
        ("2024-08-02T00:00:00Z", None),
        ("2024-08-01T23:59:59Z", "time_contradicts_id"),
        ("2024-08-05T00:00:00Z", "time_contradicts_id"),
        ("2019-01-01T18:05:00Z", "time_contradicts_id"),
    ):
        properties = {**seen["properties"], "datetime": moment}
        assert row({**seen, "properties": properties})["reason"] == reason
    since = {"datetime": None, "start_datetime": "2015-01-01T00:00:00Z"}
    item = landsat(day="20220827")
    until = {"end_datetime": "2022-08-27T17:00:00Z"}
    properties = {**item["properties"], **since, **until}
    assert row({**item, "properties": properties})["reason"] == "time_contradicts_id"


@pytest.mark.parametrize("item", [naip(day="20220827"), landsat(day="20220827")])
def test_a_time_far_from_the_ids_day_is_quarantined(item: dict[str, object]) -> None:
    properties = {**item["properties"], "datetime": "2021-08-27T16:00:00Z"}  # type: ignore[dict-item]
    assert row({**item, "properties": properties})["reason"] == "time_contradicts_id"
