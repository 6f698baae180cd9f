"""`geosr pairs`: find the pairs of a recipe."""

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from geosr_lake.cli.console import (
    JsonOption,
    LakeOption,
    WaitOption,
    exit_codes,
    print_counts,
    progress_bar,
    report,
    say,
    typed,
)
from geosr_lake.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from geosr_lake.lake import Lake
    from geosr_lake.pairs.build import PairsSummary

app = typer.Typer(help="Find scenes of two sensors that see the same ground.", no_args_is_help=True)


@app.callback()
def pairs() -> None:
    """Find scenes of two sensors that see the same ground."""


def _counts(summary: "PairsSummary") -> dict[str, int | str]:
    lr, hr = summary.lr_sensor, summary.hr_sensor
    return {
        "rule": summary.rule_id,
        f"{lr} scenes": summary.lr_scenes,
        f"{hr} scenes": summary.hr_scenes,
        "tile pairs": summary.tile_pairs,
        "of these new": summary.tile_pairs_new,
        "scene pairs tested exactly": summary.scene_pairs_tested,
        "by distinct footprint pairs": summary.footprint_pairs_tested,
        "scenes new or changed": summary.scenes_new,
        "scenes gone or changed": summary.scenes_gone,
        "pairs": summary.pairs,
        "of these kept": summary.pairs - summary.pairs_new - summary.pairs_changed,
        "new pairs": summary.pairs_new,
        "changed pairs": summary.pairs_changed,
        "removed pairs": summary.pairs_removed,
    }


def _next(recipe: Recipe, name: str, lake: str) -> str:
    if recipe.select is not None:
        return shlex.join(["geosr", "manifest", "build", "--recipe", name, "--lake", lake])
    return shlex.join(["geosr", "sql", "SELECT * FROM pairs LIMIT 10", "--lake", lake])


def _count(lake: "Lake", rule: Recipe, *, as_json: bool, next_step: str) -> None:
    from geosr_lake.pairs.count import count

    with progress_bar() as progress:
        found = asdict(count(lake, rule, progress=progress))
    counts = {name.replace("_", " "): n for name, n in found.items() if name != "rule_id"}
    title = f"Pairs that {rule.name} would have"
    report(found, as_json=as_json, show=lambda: print_counts(title, counts), next_step=next_step)


@app.command()
def build(
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", metavar="RECIPE", help="A YAML file, or a shipped recipe as s2_naip."
        ),
    ],
    lake: LakeOption,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Look at all scenes again, not only at those that changed."),
    ] = False,
    in_spark: Annotated[
        bool,
        typer.Option("--spark", help="Find all pairs with Spark, as on a cluster."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the pairs, and write nothing.")
    ] = False,
    as_json: JsonOption = False,
    wait: WaitOption = 0.0,
) -> None:
    """Find the pairs of a recipe: footprints that intersect, times within its window.

    A later build looks only at the scenes that came, changed or went since, and gives what a
    build from nothing gives; `--rebuild` proves it: it says how many pairs differ. Four
    million scenes are matched at a time, without Spark; it is started, and told, where a rule's
    pairs are found anew beside as many former ones, and to write a table that `geosr lake
    maintain` has clustered.

    Example: `geosr pairs build --recipe s2_naip --lake my_lake`

    How many there would be: `geosr pairs build --recipe mine.yaml --dry-run --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.pairs.build import build as build_pairs

        rule = load_recipe(recipe)
        opened = Lake.open(lake, tell=say, wait_s=wait)
        if dry_run:
            _count(opened, rule, as_json=as_json, next_step=typed(but="--dry-run"))
            return
        with progress_bar() as progress:
            summary = build_pairs(
                opened,
                rule,
                anew=rebuild,
                engine="spark" if in_spark else "auto",
                progress=progress,
            )
        title = f"Pairs of {rule.name}" if summary.changed else f"Pairs of {rule.name}: no change"
        report(
            asdict(summary),
            as_json=as_json,
            show=lambda: print_counts(title, _counts(summary)),
            next_step=_next(rule, recipe, lake),
        )
