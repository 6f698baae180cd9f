"""`geosr demo`: the whole path on a generated archive, stage after stage."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geosr_lake.cli.console import (
    Bar,
    JsonOption,
    exit_codes,
    next_command,
    print_json,
    print_rows,
    progress_bar,
    say,
)
from geosr_lake.verdicts import AFTER

if TYPE_CHECKING:
    from geosr_lake.demo.measure import Meter
    from geosr_lake.lake import Lake

TASKS = ("s2_naip", "modis_landsat8")
GENERATED = "complete"
"""File in the archive's folder that says the generator came to its end."""


@dataclass(frozen=True)
class DemoSummary:
    """Where the demo's results lie and what each step took."""

    archive: str
    lake: str
    catalog: str
    report: str
    steps: list[dict[str, Any]]
    stages: dict[str, Any]


def demo_recipe(task: str) -> Path:
    """Return the demo's recipe for `task`."""
    from geosr_lake import demo

    return Path(demo.__file__).parent / "recipes" / f"{task}.yaml"


def _archive(root: Path, seed: int, bar: Bar) -> Path:
    """Return the generated archive, made unless a run before came to its end."""
    from geosr_lake.demo.archive import make_archive

    marker = root / GENERATED
    if not (marker.is_file() and marker.read_text() == str(seed)):
        make_archive(root, seed=seed, progress=bar)
        marker.write_text(str(seed))
    return root


def _task(lake: "Lake", task: str, archive: Path, meter: "Meter", bar: Bar) -> dict[str, Any]:
    """Take one SR task from scenes to cubes."""
    from geosr_lake.cubes.materialize import materialize
    from geosr_lake.lake.progress import Within
    from geosr_lake.manifest.build import build as build_manifest
    from geosr_lake.pairs.build import build as build_pairs
    from geosr_lake.recipe import load_recipe

    recipe, part = load_recipe(demo_recipe(task)), Within(bar, task)
    with meter.step(f"pairs {task}"):
        pairs = build_pairs(lake, recipe, progress=part)
    with meter.step(f"manifest {task}"):
        manifest = build_manifest(lake, recipe, archive / "landcover.tif", progress=part)
    with meter.step(f"cubes {task}"):
        cubes = materialize(lake, manifest.manifest_id, source_roots=[archive], progress=part)
    return {"pairs": asdict(pairs), "manifest": asdict(manifest), "cubes": asdict(cubes)}


def run_demo(out: Path, *, seed: int, bar: Bar, tell: Callable[[str], None]) -> DemoSummary:
    """Run the whole path below `out`; a run that was cut off goes on where it was."""
    from geosr_lake.demo.measure import Meter
    from geosr_lake.lake import Lake
    from geosr_lake.publish.publish import publish
    from geosr_lake.report.page import write_report
    from geosr_lake.scenes.ingest import ingest

    out = out.absolute()
    meter = Meter()
    with meter.step("generate the archive"):
        archive = _archive(out / "archive", seed, bar)
    lake = Lake.create(out / "lake", tell=tell)
    with meter.step("scenes"):
        scenes = ingest(lake, [archive / "items"], progress=bar)
    stages: dict[str, Any] = {"scenes": asdict(scenes)}
    for task in TASKS:
        stages[task] = _task(lake, task, archive, meter, bar)
    with meter.step("catalog"):
        stages["catalog"] = asdict(publish(lake, progress=bar))
    report = out / "report.html"
    with meter.step("report"):
        write_report(lake, report, progress=bar)
    return DemoSummary(
        archive=str(archive),
        lake=str(lake.root),
        catalog=str(lake.folder / "catalog" / "catalog.json"),
        report=str(report),
        steps=[asdict(step) for step in meter.steps],
        stages=stages,
    )


def _funnel(stages: dict[str, Any]) -> list[list[str]]:
    """Return the way from items to cubes, a column a task; rules that dropped nothing are left out.

    Args:
        stages: As `DemoSummary.stages`.
    """
    scenes, tasks = stages["scenes"], [stages[task] for task in TASKS]
    funnels = [{step["rule"]: step for step in task["manifest"]["funnel"]} for task in tasks]
    rows = [
        [f"items: {name}", *[f"{scenes[name]:,}"] * len(tasks)]
        for name in ("read", "kept", "repeated", "unsupported", "quarantined")
    ]
    rows.append(["pairs", *(f"{task['pairs']['pairs']:,}" for task in tasks)])
    rows.append(["candidates", *(f"{task['manifest']['candidates']:,}" for task in tasks)])
    # Each recipe asks rules of its own, before those that all ask last.
    asked = dict.fromkeys(name for funnel in funnels for name in funnel)
    for rule in sorted(asked, key={rule.name for rule in AFTER}.__contains__):
        dropped = [funnel[rule]["n_dropped"] if rule in funnel else 0 for funnel in funnels]
        if any(dropped):
            rows.append([f"dropped: {rule}", *(f"{-number:,}" for number in dropped)])
    rows.append(["samples", *(f"{task['manifest']['samples']:,}" for task in tasks)])
    rows.append(["reserves", *(f"{task['manifest']['reserves']:,}" for task in tasks)])
    for reason in dict.fromkeys(name for task in tasks for name in task["cubes"]["rejected"]):
        lost = [task["cubes"]["rejected"].get(reason, 0) for task in tasks]
        rows.append([f"failed: {reason}", *(f"{-number:,}" for number in lost)])
    # What was tried is in a cube or failed; where no shard was left undone all samples were tried.
    tried = [task["cubes"]["samples"] + sum(task["cubes"]["rejected"].values()) for task in tasks]
    spare = [max(0, n - task["manifest"]["samples"]) for n, task in zip(tried, tasks, strict=True)]
    if any(spare):
        rows.append(["reserves tried in their place", *(f"+{number:,}" for number in spare)])
    rows.append(["in cubes", *(f"{task['cubes']['samples']:,}" for task in tasks)])
    return rows


def _print(summary: DemoSummary) -> None:
    print_rows(["from items to cubes", *TASKS], _funnel(summary.stages), title="The funnel")
    rows = [[s["name"], f"{s['seconds']:.1f}", f"{s['peak_mib']:.0f}"] for s in summary.steps]
    rows.append(["in all", f"{sum(s['seconds'] for s in summary.steps):.1f}", ""])
    print_rows(["step", "seconds", "peak MiB"], rows, title="What the steps took")
    say("The numbers of each stage, its funnel and pictures of samples are in the report.")
    for name in ("lake", "catalog", "report"):
        say(f"{name + ':':9}{getattr(summary, name)}")


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the archive, the lake and the report.")
    ] = Path("geosr-demo"),
    seed: Annotated[int, typer.Option(help="Changes the generated landscape.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run the whole path on a generated archive: no network, a few minutes.

    Example: `geosr demo --out geosr-demo`
    """
    with exit_codes():
        with progress_bar() as bar:
            summary = run_demo(out, seed=seed, bar=bar, tell=say)
        if as_json:
            print_json(summary)
            return
        _print(summary)
        next_command(f"geosr inspect manifest --lake {summary.lake}")
