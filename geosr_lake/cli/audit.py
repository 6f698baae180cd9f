"""`geosr manifest audit`: look for leaks in a manifest, ours or anybody's."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geosr_lake.cli.console import JsonOption, exit_codes, print_counts, print_rows, report, say
from geosr_lake.errors import LeakError, UsageError

if TYPE_CHECKING:
    from geosr_lake.lake import Lake
    from geosr_lake.manifest.audit import Audit
    from geosr_lake.manifest.samples import Samples

OptionalLake = Annotated[
    str | None,
    typer.Option(
        "--lake", envvar="GEOSR_LAKE", metavar="DIR", help="The lake; not needed for files."
    ),
]


def _samples(name: str, lake: "Lake | None") -> "Samples":
    from geosr_lake.manifest.samples import of_file, of_lake

    if not name.startswith("man-") or Path(name).is_file():
        return of_file(Path(name))
    if lake is None:
        raise UsageError(
            f"{name} is a manifest of a lake, and no lake is named",
            next_step="Add --lake DIR, or set GEOSR_LAKE.",
        )
    return of_lake(lake, name)


def _show(found: "Audit") -> None:
    counts: dict[str, int | float | str] = {
        "samples and reserves": found.samples,
        "sites": found.sites,
        "buffer, metres": f"{found.buffer_m:g}",
        "greatest difference of a stratum's share": f"{found.worst_imbalance:.3f}",
    }
    if found.scenes is not None:
        shared = found.scenes
        counts["scenes that serve several splits"] = f"{shared.shared:,} of {shared.scenes:,}"
        counts["samples cut from one of them"] = f"{shared.samples:,} ({shared.share:.0%})"
    print_counts(f"Audit of {found.name}: {'clean' if found.clean else 'LEAKS'}", counts)
    rows = [[d.a_split, d.b_split, f"{d.distance_m:,.1f}", d.a, d.b] for d in found.distances]
    print_rows(["split", "other", "least distance, m", "sample", "other's"], rows)
    strata = sorted({name for one in found.splits for name in one.strata})
    shares = [
        [s.split, s.samples, f"{s.share:.3f}", *(f"{s.strata.get(n, 0.0):.3f}" for n in strata),
         s.first and f"{s.first:%Y-%m-%d}", s.last and f"{s.last:%Y-%m-%d}"]
        for s in found.splits
    ]  # fmt: skip
    head = ["split", "samples", "share", *(f"{name} in it" for name in strata), "first", "last"]
    print_rows(head, shares, title="Splits")
    if (same := found.duplicates) is not None:
        told: dict[str, int | float | str] = {"same ids": same.same_ids, "overlaps": same.overlaps}
        told |= {f"{splits} (here/there)": n for splits, n in same.by_splits.items()}
        print_counts(f"In common with {same.other}", told)
    _show_leaks(found)


def _show_leaks(found: "Audit") -> None:
    from geosr_lake.manifest.audit import SAYS

    rows = [[kind, n, SAYS[kind]] for kind, n in found.counts.items()]
    print_rows(["leak", "found", "what it is"], rows, title="Leaks")
    if found.leaks:
        worst = [
            [x.kind, x.a, x.a_split, x.b, x.b_split, f"{x.distance_m:,.1f}"] for x in found.leaks
        ]
        head = ["leak", "sample", "split", "other", "its split", "distance, m"]
        print_rows(head, worst, title="The closest of each kind")


def audit(
    manifest: Annotated[
        str,
        typer.Argument(
            metavar="MANIFEST",
            help="Id of a manifest of the lake, or a GeoParquet file with a footprint and a "
            "`split`; `sample_id`, `datetime`, `stratum`, `lr_scene_id`, `hr_scene_id` if known.",
        ),
    ],
    lake: OptionalLake = None,
    buffer_m: Annotated[
        float | None,
        typer.Option(
            "--buffer-m",
            min=0,
            metavar="M",
            help="Least distance between splits; of a manifest of the lake: its recipe's.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="OTHER", help="Another manifest: no ground of its other splits."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look for leaks: splits that share ground or come too close; ends with code 8 if there are.

    It reads the rows alone, and knows nothing of how they were chosen; so it audits files of
    others too.

    Example: `geosr manifest audit samples.parquet --buffer-m 1000`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.manifest.audit import audit as look
        from geosr_lake.manifest.samples import buffer_m_of

        opened = None if lake is None else Lake.open(lake, tell=say)
        samples = _samples(manifest, opened)
        if buffer_m is None:
            ours = manifest.startswith("man-") and not Path(manifest).is_file()
            buffer_m = buffer_m_of(opened, manifest) if opened and ours else 0.0
        other = None if against is None else _samples(against, opened)
        found = look(samples, buffer_m=buffer_m, other=other)
        told = asdict(found) | {"clean": found.clean}
        report(told, as_json=as_json, show=lambda: _show(found))
        if not found.clean:
            kinds = ", ".join(f"{n:,} {kind}" for kind, n in found.counts.items() if n)
            raise LeakError(
                f"The manifest leaks: {kinds}",
                where=found.name,
                next_step="Leave out one sample of each, or cut the splits anew.",
            )
