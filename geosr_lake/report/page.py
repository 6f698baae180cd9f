"""`geosr report`: one HTML file that shows what a lake holds. It reads, and writes only that file.

The page loads nothing: styles, script and pictures stand in it, and its content security policy
allows just these, by hash. Text from archives passes through Jinja's autoescape and never becomes
markup: no template marks anything as safe.
"""

import os
from base64 import b64encode
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from geosr_lake import __version__
from geosr_lake.archives.reasons import REASONS
from geosr_lake.errors import ResourceError, UsageError
from geosr_lake.lake import Lake, Progress
from geosr_lake.lake.progress import Silent
from geosr_lake.report import facts, plates, text
from geosr_lake.report.dots import MAX_DOTS
from geosr_lake.sensors.tasks import TASKS

MAX_BYTES = 5_000_000
"""The page is smaller than this, whatever the lake holds."""
MAX_PLATES = 12
PICTURE_BYTES = 4_200_000
"""What the pictures of all manifests come to at most; each manifest gets its share."""
OPENING_BYTES, STRIP_BYTES, STAMP_BYTES = 330_000, 160_000, 13_000
"""More than each kind of picture comes to, of noisy pixels."""
MAX_STRIPS, MAX_STAMPS = 6, 48
ALL_DOTS = 36_000
"""Dots of all maps together; each manifest gets its share."""
GENERATOR = "geosr_lake report"
"""Names what wrote the page; a file that does not say this is not overwritten."""

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class ReportSummary:
    """What was written.

    Attributes:
        out: The file.
        bytes: Its size.
        manifests: Manifests that it shows.
        samples: Samples of these manifests.
        materialized: Samples and reserves of these manifests that are in a cube.
        pictures: Samples drawn from the cubes.
    """

    out: Path
    bytes: int
    manifests: int
    samples: int
    materialized: int
    pictures: int


def environment() -> Environment:
    """Return the Jinja environment of the page: autoescape everywhere, no undefined names."""
    env = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("clip", "number", "signed", "percent", "size", "duration", "days", "length",
                 "date", "clock", "degrees", "words", "sensor", "task", "roman"):  # fmt: skip
        env.filters[name] = getattr(text, name)
    env.filters["length_of"] = len
    return env


def _csp_hash(source: str) -> str:
    return "sha256-" + b64encode(sha256(source.encode()).digest()).decode("ascii")


def _asked(rows: Sequence[dict[str, Any]], wanted: Collection[str] | None) -> list[dict[str, Any]]:
    """Return the rows of the manifests to show, in the order of the tasks.

    Raises:
        UsageError: If one that was asked for is not in the lake.
    """
    known = {row["manifest_id"] for row in rows}
    if missing := sorted(set(wanted or ()) - known):
        raise UsageError(
            f"The lake has no manifest {text.clip(', '.join(missing))}",
            next_step=f"It has: {', '.join(sorted(known)) or 'none'}.",
        )
    order = list(TASKS)
    shown = [row for row in rows if wanted is None or row["manifest_id"] in wanted]
    return sorted(
        shown, key=lambda row: (-order.index(row["task"]), row["name"], row["manifest_id"])
    )


def shares(n_plates: int) -> tuple[int, int]:
    """Return how many strips and stamps each plate may have so that the pictures keep to size."""
    share = PICTURE_BYTES // max(n_plates, 1)
    strips = (0.7 * share - OPENING_BYTES) // STRIP_BYTES
    stamps = 0.3 * share // STAMP_BYTES
    return min(max(int(strips), 0), MAX_STRIPS), min(int(stamps), MAX_STAMPS)


def render(
    lake: Lake, *, manifest_ids: Collection[str] | None = None, progress: Progress | None = None
) -> tuple[str, list[plates.Plate]]:
    """Return the page and the plates on it; the same lake gives the same text.

    Args:
        lake: What is shown, at its pinned versions.
        manifest_ids: Manifests to show; None: all.
        progress: Told about each step.

    Raises:
        UsageError: If a manifest is asked for that the lake does not have.
        CorruptDataError: If a cube that the ledger names is not there.
    """
    told = progress or Silent()
    told.start("Counting what the lake holds")
    rows = _asked(lake.arrow("manifests").to_pylist(), manifest_ids)
    whole = facts.gather(lake)
    shown = rows[:MAX_PLATES]
    n_strips, n_stamps = shares(len(shown))
    drawn = [
        plates.plate(
            lake,
            row,
            whole.verdicts,
            n_strips=n_strips,
            n_stamps=n_stamps,
            most_dots=min(MAX_DOTS, ALL_DOTS // len(shown)),
            progress=told,
        )
        for row in shown
    ]
    env = environment()
    style = env.get_template("style.css").render()
    script = env.get_template("script.js").render()
    html = env.get_template("page.html").render(
        lake_name=lake.folder.name,
        facts=whole,
        plates=drawn,
        left_out=rows[MAX_PLATES:],
        reasons={code: reason.says for code, reason in REASONS.items()},
        generator=GENERATOR,
        code_version=__version__,
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )
    return html, drawn


def _refuse_foreign(out: Path) -> None:
    """Keep a file that is not a page of this command from being overwritten.

    Raises:
        UsageError: If there is one, or a folder.
    """
    if not out.exists():
        return
    if out.is_file():
        with out.open("rb") as file:
            if GENERATOR.encode() in file.read(2000):
                return
    raise UsageError(
        "There is something else here, which is left alone",
        where=str(out),
        next_step="Name another file with --out.",
    )


def _write_whole(out: Path, content: bytes) -> None:
    """Write a file beside its place and rename it.

    Raises:
        ResourceError: If the system does not let it: a full disk, no permission.
    """
    draft = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        draft.write_bytes(content)
        draft.replace(out)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise ResourceError(
            f"The page cannot be written ({error.strerror})",
            where=str(out),
            next_step="Name another file with --out.",
        ) from error


def write_report(
    lake: Lake,
    out: Path,
    *,
    manifest_ids: Collection[str] | None = None,
    progress: Progress | None = None,
) -> ReportSummary:
    """Write the page of a lake to `out`, whole or not at all.

    Args:
        lake: What is shown.
        out: The file; an earlier page there is replaced.
        manifest_ids: Manifests to show; None: all.
        progress: Told about each step.

    Raises:
        UsageError: If `out` is something else than a page of this command, its folder is not
            there, or a manifest is asked for that the lake does not have.
        ResourceError: If the page would be larger than `MAX_BYTES`, or cannot be written.
        CorruptDataError: If a cube that the ledger names is not there.
    """
    _refuse_foreign(out)
    if not out.absolute().parent.is_dir():
        raise UsageError("There is no such folder", where=str(out.absolute().parent))
    html, drawn = render(lake, manifest_ids=manifest_ids, progress=progress)
    content = html.encode("utf-8")
    if len(content) >= MAX_BYTES:
        raise ResourceError(
            f"The page would be {text.size(len(content))} large",
            next_step="Name fewer manifests with --manifest.",
        )
    _write_whole(out, content)
    return ReportSummary(
        out=out,
        bytes=len(content),
        manifests=len(drawn),
        samples=sum(plate.n_samples for plate in drawn),
        materialized=sum(plate.n_materialized for plate in drawn),
        pictures=sum(plate.n_pictures for plate in drawn),
    )
