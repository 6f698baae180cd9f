"""Formats of rasters that are opened: those that hold all in one file, and follow no link."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from geosr_lake.errors import CorruptDataError, TransientSourceError
from geosr_lake.net.errors import MissingSourceError


class Format(NamedTuple):
    """A format, and how a file shows that it is of it.

    Attributes:
        driver: GDAL's short name.
        said: The name with its article, for a sentence.
        starts: What its files begin with, one of these.
        ending: Of a file's name, as GDAL is told it.
        beside: Ending of a file of the same name that may hold the pixels; "" if none may.
    """

    driver: str
    said: str
    starts: tuple[bytes, ...]
    ending: str
    beside: str = ""


GEOTIFF = Format("GTiff", "a GeoTIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), ".tif")
"""Cloud-optimised or not; the only format of scenes' pixels."""
IMAGINE = Format("HFA", "an Erdas Imagine file", (b"EHFA_HEADER_TAG\0",), ".img", ".ige")
JPEG2000 = Format(
    "JP2OpenJPEG", "a JPEG 2000 file", (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), ".jp2"
)
FORMATS = (GEOTIFF, IMAGINE, JPEG2000)

LONGEST_START = max(len(start) for one in FORMATS for start in one.starts)
"""Bytes of a file that `of_start` looks at."""


def of_start(start: bytes, formats: tuple[Format, ...], where: str) -> Format:
    """Return the format of a file by what it begins with, whatever it is called.

    Raises:
        CorruptDataError: If it is none of the formats.
    """
    for one in formats:
        if start.startswith(one.starts):
            return one
    raise CorruptDataError(f"This is {neither(formats)}", where=where)


def neither(formats: tuple[Format, ...]) -> str:
    """Return the words for what is none of some formats."""
    *others, last = (one.said for one in formats)
    return f"neither {', '.join(others)} nor {last}" if others else f"not {last}"


def known(path: Path) -> Format | None:
    """Return which of `FORMATS` a file is of; None for any other.

    Raises:
        SourceError: As `of_file`, where it cannot be read.
    """
    try:
        return of_file(path, FORMATS)
    except CorruptDataError:
        return None


def of_file(path: Path, formats: tuple[Format, ...]) -> Format:
    """Return the format of a regular file.

    Raises:
        MissingSourceError: If there is none.
        CorruptDataError: If it is no regular file, or none of the formats.
        TransientSourceError: If it cannot be read now.
    """
    try:
        # Not following a link: the policy has resolved all of them already.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise CorruptDataError("This is not a regular file", where=str(path))
            start = file.read(LONGEST_START)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingSourceError("The file is not there", where=str(path)) from error
    except IsADirectoryError as error:
        raise CorruptDataError("This is not a regular file", where=str(path)) from error
    except OSError as error:
        raise TransientSourceError(
            f"The file cannot be read ({error.strerror})",
            where=str(path),
            next_step="Put that right and run the same command again.",
        ) from error
    return of_start(start, formats, str(path))
