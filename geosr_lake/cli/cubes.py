"""`geosr cubes`: plan, write and check the pixels of a manifest."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geosr_lake.cli.console import (
    JsonOption,
    LakeOption,
    exit_codes,
    print_counts,
    print_rows,
    progress_bar,
    report,
    say,
    typed,
)
from geosr_lake.errors import CorruptDataError, IncompleteError, UsageError

if TYPE_CHECKING:
    from geosr_lake.cubes.materialize import CubesSummary
    from geosr_lake.cubes.verify import CubesVerify

app = typer.Typer(help="Write a manifest's pixels as Zarr stores.", no_args_is_help=True)

ManifestOption = Annotated[
    str | None,
    typer.Option("--manifest", metavar="ID", help="The manifest; needed if the lake has several."),
]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", metavar="TASK", help="Its SR task: modis_landsat8 or s2_naip."),
]
SHOWN_PROBLEMS = 20


def _command(verb: str, lake: str, options: Mapping[str, object]) -> str:
    """Return the command again, as one types it."""
    words = ["geosr", "cubes", verb, "--lake", lake]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            if one is True:
                words.append(name)
            elif one is not None and one is not False:
                words += [name, str(one)]
    return shlex.join(words)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.3f} GB"


@app.command()
def plan(
    lake: LakeOption,
    manifest: ManifestOption = None,
    task: TaskOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what the cubes of a manifest will hold and cost; nothing is opened or written.

    Example: `geosr cubes plan --lake my_lake --task s2_naip`
    """
    with exit_codes():
        import shutil

        from geosr_lake.cubes.inputs import choose_manifest, read_inputs
        from geosr_lake.cubes.plan import estimate, make_plan
        from geosr_lake.lake import Lake

        opened = Lake.open(lake, tell=say)
        chosen = choose_manifest(opened, manifest, task)
        inputs = read_inputs(opened, chosen)
        plans = make_plan(inputs)
        cost = estimate(inputs.task, [one for listed in plans.values() for one in listed])
        free = shutil.disk_usage(opened.folder).free
        splits = {
            split: {
                "shards": len(listed),
                "samples": sum(len(one.jobs) for one in listed),
                "reserves": sum(len(one.reserves) for one in listed),
            }
            for split, listed in plans.items()
        }
        summary = {
            "manifest_id": chosen,
            "task": inputs.task.name,
            "splits": splits,
            **asdict(cost),
            "disk_free_bytes": free,
        }

        def show() -> None:
            print_rows(
                ["split", "shards", "samples", "reserves"],
                [[split, *counts.values()] for split, counts in splits.items()],
                title=f"Plan of {inputs.name}, {chosen}",
            )
            print_counts(
                "At most, if no two samples share a block",
                {
                    "requests to sources": cost.source_requests,
                    "decoded from sources": _gigabytes(cost.source_bytes),
                    "raw pixels": _gigabytes(cost.output_raw_bytes),
                    "on disk, about": _gigabytes(cost.output_bytes),
                    "free on disk": _gigabytes(free),
                },
            )

        following = _command("materialize", lake, {"--manifest": chosen})
        report(summary, as_json=as_json, show=show, next_step=f"{following} --source-root FOLDER")


def _part(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    number, _, total = text.partition("/")
    if not number.isdigit() or not total.isdigit():
        raise UsageError(f"{text!r} is no part", where="--part", next_step="Write it as 3/20.")
    return int(number), int(total)


def _shown(summary: "CubesSummary") -> dict[str, int | str]:
    counts: dict[str, int | str] = {
        "shards": summary.shards,
        "written now": summary.shards_written,
        "stood already": summary.shards_kept,
        "undone": summary.shards_undone,
        "left to other parts": summary.shards_elsewhere,
        "samples": summary.samples,
        "of these reserves": summary.replaced,
        "empty slots": summary.empty_slots,
        "read now": _gigabytes(summary.bytes_read),
        "written to disk now": _gigabytes(summary.bytes_written),
    }
    counts |= {f"rejected: {reason}": n for reason, n in summary.rejected.items()}
    return {name: n for name, n in counts.items() if n != 0}


@app.command()
def materialize(
    lake: LakeOption,
    source_root: Annotated[
        list[Path] | None,
        typer.Option(
            "--source-root",
            metavar="DIR",
            help="Source files may be read below this folder; may be given several times.",
        ),
    ] = None,
    manifest: ManifestOption = None,
    task: TaskOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Shards at once; default: one a core.")
    ] = None,
    processes: Annotated[
        bool, typer.Option("--processes", help="Work in processes instead of threads.")
    ] = False,
    part: Annotated[
        str | None, typer.Option("--part", metavar="I/N", help="Only part I of N of the shards.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the manifest's pixels and write its cubes, or what is missing of them.

    Example: `geosr cubes materialize --lake my_lake --task s2_naip --source-root my_archive`
    """
    options = {
        "--source-root": list(source_root or []),
        "--manifest": manifest,
        "--task": task,
        "--workers": workers,
        "--processes": processes,
        "--part": part,
    }
    again = typed()
    with exit_codes():
        from geosr_lake.cubes.inputs import choose_manifest
        from geosr_lake.cubes.materialize import materialize as write_cubes
        from geosr_lake.lake import Lake

        opened = Lake.open(lake, tell=say)
        chosen = choose_manifest(opened, manifest, task)
        with progress_bar() as progress:
            summary = write_cubes(
                opened,
                chosen,
                source_roots=source_root or [],
                workers=workers,
                processes=processes,
                part=_part(part),
                progress=progress,
            )
        for problem in summary.problems[:SHOWN_PROBLEMS]:
            say(f"Undone: {problem}")
        state = "complete" if summary.complete else "not complete"
        report(
            summary,
            as_json=as_json,
            show=lambda: print_counts(f"Cubes of {chosen}: {state}", _shown(summary)),
            next_step=_after(
                summary, lake, again, _command("materialize", lake, options | {"--part": None})
            ),
        )
        if summary.shards_undone:
            raise IncompleteError(
                f"{summary.shards_undone} shards are undone: their sources could not be read now",
                next_step=f"Go on with: {again}",
            )


def _after(summary: "CubesSummary", lake: str, again: str, whole: str) -> str | None:
    if summary.shards_undone:
        return None  # the error says it
    if not summary.complete:
        return whole if summary.shards_elsewhere else again
    return _command("verify", lake, {"--manifest": summary.manifest_id, "--deep": True})


def _looked_at(result: "CubesVerify") -> dict[str, int | str]:
    return {
        "stores": result.stores,
        "shards": result.shards,
        "files": result.files,
        "bytes": _gigabytes(result.bytes),
        "problems": len(result.problems),
    }


@app.command()
def verify(
    lake: LakeOption,
    manifest: ManifestOption = None,
    task: TaskOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every file: checksums, and every chunk decoded.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Hold the cubes against the ledger: every file there, with its size; changes nothing.

    Example: `geosr cubes verify --lake my_lake --task s2_naip --deep`
    """
    with exit_codes():
        from geosr_lake.cubes.inputs import choose_manifest
        from geosr_lake.cubes.verify import as_dict
        from geosr_lake.cubes.verify import verify as check_cubes
        from geosr_lake.lake import Lake

        opened = Lake.open(lake, tell=say)
        chosen = choose_manifest(opened, manifest, task)
        with progress_bar() as progress:
            result = check_cubes(opened, chosen, deep=deep, progress=progress)

        def show() -> None:
            print_counts(f"Cubes of {chosen}", _looked_at(result))
            if result.problems:
                print_rows(
                    ["kind", "store", "path", "detail"],
                    [list(asdict(p).values()) for p in result.problems[:SHOWN_PROBLEMS]],
                    title=f"Problems (the first {SHOWN_PROBLEMS} at most)",
                )

        publish = shlex.join(["geosr", "catalog", "publish", "--lake", lake])
        report(
            as_dict(result),
            as_json=as_json,
            show=show,
            next_step=None if result.problems else publish,
        )
        remedy = "Remove the damaged files and run `geosr cubes materialize`: it writes them again."
        if result.damaged:
            raise CorruptDataError("The cubes are damaged", where=chosen, next_step=remedy)
        if result.problems:
            raise IncompleteError(
                "The cubes are not complete",
                where=chosen,
                next_step="Run `geosr cubes materialize`.",
            )
