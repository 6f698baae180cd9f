from datetime import UTC, datetime

import pytest

from geosr_lake.report import text
from geosr_lake.report.text import MINUS, THIN


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (0, 0, "0"),
        (999, 0, "999"),
        (1000, 0, f"1{THIN}000"),
        (-1234567, 0, f"{MINUS}1{THIN}234{THIN}567"),
        (0.125, 2, "0.12"),
        (None, 0, "–"),
    ],
)
def test_number(value: float | None, digits: int, shown: str) -> None:
    assert text.number(value, digits) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.04, "0.0"), (-0.04, "0.0"), (0.06, "+0.1"), (-2.5, f"{MINUS}2.5"), (None, "–")],
)
def test_signed_numbers_have_a_sign_unless_they_round_to_zero(
    value: float | None, shown: str
) -> None:
    assert text.signed(value) == shown


def test_an_unknown_share_is_not_zero() -> None:
    assert text.percent(None) == "unknown"
    assert text.percent(0.0) == f"0.0{THIN}%"
    assert text.percent(0.9991) == f"99.9{THIN}%"


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (0, f"0{THIN}B"),
        (999, f"999{THIN}B"),
        (1000, f"1.00{THIN}kB"),
        (12_345, f"12.3{THIN}kB"),
        (999_949, f"1.00{THIN}MB"),
        (123_456_789, f"123{THIN}MB"),
        (1_240_000_000, f"1.24{THIN}GB"),
        (5e15, f"5{THIN}000{THIN}TB"),
    ],
)
def test_sizes_have_three_figures(n: float, shown: str) -> None:
    assert text.size(n) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (252, "4 min 12 s"),
        (7500, "2 h 5 min"),
        (7199.9, "2 h 0 min"),
    ],
)
def test_durations_have_two_units(seconds: float, shown: str) -> None:
    assert text.duration(seconds).replace(THIN, " ") == shown


def test_lengths_days_and_times() -> None:
    moment = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
    assert text.length(30_000) == f"30{THIN}km"
    assert text.length(0.6) == f"0.6{THIN}m"
    assert text.days(-864_00 * 1.5) == f"{MINUS}1.5{THIN}d"
    assert (text.date(moment), text.date(None)) == ("2024-02-29", "–")
    assert (text.clock(moment), text.clock(None)) == ("2024-02-29 23:59:59", "–")


@pytest.mark.parametrize(
    ("value", "axis", "shown"),
    [
        (-104.9876, "lon", "104.988°W"),
        (12.0, "lon", "12.000°E"),
        (-33.5, "lat", "33.500°S"),
        (0.0, "lat", "0.000°"),
        (-0.0001, "lat", "0.000°"),
    ],
)
def test_degrees_name_their_hemisphere(value: float, axis: str, shown: str) -> None:
    assert text.degrees(value, axis) == shown


def test_codes_become_words() -> None:
    assert text.words("not_best") == "not best"
    assert text.words("lr_cloud_unknown") == "LR cloud unknown"
    assert text.words("non_urban") == "non-urban"
    assert text.words(None) == text.words("") == "–"


def test_names_of_sensors_and_tasks() -> None:
    assert text.sensor("sentinel2") == "Sentinel-2"
    assert text.sensor(None) == "–"
    assert text.sensor("new_one") == "new one"
    assert text.task("s2_naip") == "Sentinel-2 and NAIP"


def test_long_text_is_cut_and_says_so() -> None:
    assert text.clip("a" * 96) == "a" * 96
    assert text.clip("a" * 97) == "a" * 95 + "…"
    assert text.clip(None) == text.clip("") == "–"
    assert text.clip("abcdef", 3) == "ab…"


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff"])
def test_characters_that_cannot_be_seen_are_replaced(hidden: str) -> None:
    assert text.visible(f"a{hidden}b") == "a\ufffdb"


def test_what_can_be_seen_stays() -> None:
    shown = f"naïve 雪 {THIN}– a\tb\nc"
    assert text.visible(shown) == shown
    assert text.visible(12) == 12
    assert text.visible(None) is None


@pytest.mark.parametrize(
    ("n", "numeral"), [(1, "I"), (4, "IV"), (9, "IX"), (14, "XIV"), (1994, "MCMXCIV")]
)
def test_roman_numerals(n: int, numeral: str) -> None:
    assert text.roman(n) == numeral
