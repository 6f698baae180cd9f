"""Numbers, times and text from archives as a reader sees them on the page."""

from datetime import datetime

THIN = "\u202f"
"""Narrow no-break space: groups digits and parts a number from its unit."""
MINUS = "\u2212"
NONE = "\u2013"
"""Stands where a value is not known or does not apply."""

CLIP = 96
"""Text from archives is shown up to this length."""

_HIDDEN = (
    *range(0x09),
    *range(0x0B, 0x20),
    *range(0x7F, 0xA0),
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    0xFFFE,
    0xFFFF,
)
"""Controls, invisible characters and those that reorder text (Unicode bidirectional algorithm)."""
_TO_VISIBLE = dict.fromkeys(_HIDDEN, "\ufffd")

SENSORS = {
    "modis": "MODIS",
    "landsat": "Landsat",
    "sentinel2": "Sentinel-2",
    "naip": "NAIP",
}
TASKS = {"modis_landsat8": "MODIS and Landsat 8", "s2_naip": "Sentinel-2 and NAIP"}


def visible(value: object) -> object:
    """Replace the controls and reordering characters of a text; other values pass as they are.

    Line feeds and tabs stay: they are white space on a page.
    """
    return value.translate(_TO_VISIBLE) if isinstance(value, str) else value


def clip(value: object, length: int = CLIP) -> str:
    """Cut a text to `length` characters, the last of them an ellipsis; None is a dash."""
    if value is None or value == "":
        return NONE
    text = str(value)
    return text if len(text) <= length else text[: length - 1] + "\u2026"


def number(value: float | None, digits: int = 0) -> str:
    """Write a number with grouped digits and a true minus: 12 345, or 0.42 with two digits."""
    if value is None:
        return NONE
    return f"{value:,.{digits}f}".replace(",", THIN).replace("-", MINUS)


def signed(value: float | None, digits: int = 1) -> str:
    """Write a number with its sign, + as well; a rounded zero has none."""
    if value is None:
        return NONE
    plain = number(value, digits)
    if float(f"{value:.{digits}f}") == 0:
        return plain.removeprefix(MINUS)
    return plain if value < 0 else f"+{plain}"


def percent(value: float | None, digits: int = 1) -> str:
    """Write a fraction as a percentage; None is unknown, which is not 0."""
    return "unknown" if value is None else f"{number(100 * value, digits)}{THIN}%"


def size(n_bytes: float) -> str:
    """Write bytes in decimal units with three figures: 1.24 GB."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while n_bytes >= 999.5 and len(units) > 1:
        n_bytes /= 1000
        units.pop(0)
    digits = 0 if units[0] == "B" or n_bytes >= 99.95 else 1 if n_bytes >= 9.995 else 2
    return f"{number(n_bytes, digits)}{THIN}{units[0]}"


def duration(seconds: float) -> str:
    """Write a duration in the two greatest units that it has: 3.2 s, 4 min 12 s, 2 h 5 min."""
    if seconds < 59.95:
        return f"{number(seconds, 1)}{THIN}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60}{THIN}s"
    minutes = round(seconds / 60)
    return f"{number(minutes // 60)}{THIN}h {minutes % 60}{THIN}min"


def days(seconds: float, digits: int = 1) -> str:
    """Write a signed gap in seconds as days: +3.2 d."""
    return f"{signed(seconds / 86_400, digits)}{THIN}d"


def length(metres: float) -> str:
    """Write a length: 600 m, 30 km, 0.6 m."""
    if metres >= 1000:
        return f"{metres / 1000:g}{THIN}km"
    return f"{metres:g}{THIN}m"


def date(moment: datetime | None) -> str:
    """Write the day of a moment, UTC."""
    return NONE if moment is None else f"{moment:%Y-%m-%d}"


def clock(moment: datetime | None) -> str:
    """Write a moment to the second, UTC."""
    return NONE if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def degrees(value: float, axis: str, digits: int = 3) -> str:
    """Write an angle with its hemisphere; `axis` is ``lon`` or ``lat``."""
    letters = {"lon": "EW", "lat": "NS"}[axis]
    letter = "" if round(value, digits) == 0 else letters[value < 0]
    return f"{abs(value):.{digits}f}\u00b0{letter}"


_SHORT = {"lr": "LR", "hr": "HR", "gsd": "pixel size"}
_WORDS = {"non_urban": "non-urban"}


def words(code: str | None) -> str:
    """Write a code of a table as words: ``not_best`` is *not best*, ``lr_cloud`` *LR cloud*."""
    if not code:
        return NONE
    found = _WORDS.get(code) or " ".join(_SHORT.get(word, word) for word in code.split("_"))
    return clip(found)


def sensor(name: str | None) -> str:
    """Write a sensor's name as people know it."""
    return SENSORS.get(name or "", words(name))


def task(name: str) -> str:
    """Write an SR task as its two sensors."""
    return TASKS.get(name, words(name))


def roman(n: int) -> str:
    """Write 1 to 3999 as a Roman numeral, for plates."""
    steps = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
             (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))  # fmt: skip
    out = ""
    for value, letters in steps:
        while n >= value:
            out, n = out + letters, n - value
    return out
