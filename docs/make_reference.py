"""Writes the pages of `docs/reference/` and `schemas/recipe.json` from what they describe.

Run it with `make docs`; a test fails while a page does not say what the code says.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from geosr_lake import errors
from geosr_lake.archives.reasons import REASONS
from geosr_lake.cli.app import app
from geosr_lake.cli.console import INTERRUPTED
from geosr_lake.lake.contracts import Contract, contracts
from geosr_lake.recipe import RULE_KINDS, Recipe
from geosr_lake.verdicts import OF_A_RECIPE, RULES, in_words

REPO = Path(__file__).parent.parent
NOTE = "<!-- Written by docs/make_reference.py: change what it describes, then `make docs`. -->"


def cell(text: object) -> str:
    """Return `text` as it can stand in a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(header: list[str], rows: list[list[object]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell(value) for value in line) + " |" for line in lines]


def page(title: str, *blocks: list[str] | str) -> str:
    """Return a page: title, note, and its blocks with an empty line between them."""
    texts = [block if isinstance(block, str) else "\n".join(block) for block in blocks]
    return "\n\n".join([f"# {title}", NOTE, *texts]) + "\n"


WITH = {"deltalake": "without Spark", "spark": "without Spark until it is clustered"}


def one_table(terms: Contract) -> list[str]:
    """Return the section of one table."""
    facts = [
        f"Written by the stage `{terms.stage}`, {WITH[terms.engine]}.",
        f"Key: {', '.join(f'`{name}`' for name in terms.key) or 'none'}.",
    ]
    if terms.cluster_by:
        facts.append(f"Clustered by {', '.join(f'`{name}`' for name in terms.cluster_by)}.")
    rows: list[list[object]] = [
        [f"`{c.name}`", f"`{c.type}`", "yes" if c.nullable else "", c.unit or "", c.description]
        for c in terms.columns
    ]
    lines = [f"## {terms.table}", "", f"{terms.description} {' '.join(facts)}", ""]
    lines += table(["column", "type", "null", "unit", "what it is"], rows)
    if terms.constraints:
        lines += ["", "A row is refused unless:", ""]
        lines += [f"- `{name}`: `{rule}`" for name, rule in terms.constraints.items()]
    return lines


def tables_page() -> str:
    """Return the page of the lake's tables."""
    return page(
        "Tables",
        "Every table of the lake, as `schemas/*.json` has it; each is a view of that name in "
        "`geosr sql`. Times are UTC with microseconds, intervals `[t_start, t_end)`.",
        *(one_table(terms) for _, terms in sorted(contracts().items())),
    )


def cubes_page() -> str:
    """Return the page of the cubes' layout."""
    layout = json.loads((REPO / "schemas" / "zarr_cube.json").read_text())
    arrays: list[list[object]] = [
        [
            f"`{a['name']}`",
            ", ".join(a["dimensions"]),
            a["dtype"],
            a["fill"],
            a.get("unit", ""),
            a["description"],
        ]
        for a in layout["pixels"] + layout["coordinates"]
    ]
    header = ["array", "dimensions", "type", "fill", "unit", "what it is"]
    names: list[list[object]] = [[f"`{k}`", v] for k, v in layout["dimensions"].items()]
    attributes: list[list[object]] = [[f"`{k}`", v] for k, v in layout["attributes"].items()]
    return page(
        "Cubes",
        f"{layout['description']} Stores lie at `{layout['path']}` below the lake. This is "
        f"version {layout['version']} of the layout, as `schemas/zarr_cube.json` has it. The type "
        "`bands` is that of the sensor's numbers.",
        table(header, arrays),
        "## Dimensions",
        table(["dimension", "what it is"], names),
        "## Attributes of the group",
        table(["attribute", "what it is"], attributes),
    )


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "must be given"
    if field.default is None:
        return "`null`"
    return f"`{json.dumps(field.default, default=str)}`"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[list[object]]:
    """Yield a row for every key of the recipe, in order, sections before their keys."""
    schema = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        below = _model_of(field)
        if below is not None:
            says = field.description or (below.__doc__ or "").strip().splitlines()[0]
            many = get_origin(field.annotation) is tuple
            path = f"{path}[]" if many else path
            yield [f"**`{path}`**", "list of sections" if many else "section", "", says]
            yield from keys(below, f"{path}.")
            continue
        if path == "select.rules":
            yield [f"**`{path}`**", "list of rules", _default(field), field.description or ""]
            yield from _rule_keys(path)
            continue
        yield [f"`{path}`", _kind(schema[name]), _default(field), field.description or ""]


def _rule_keys(path: str) -> Iterator[list[object]]:
    """Yield a row for every kind of rule, and for each of its keys."""
    for name, kind in RULE_KINDS.items():
        at = f"{path}[{name}]"
        yield [f"**`{at}`**", f"`rule: {name}`", "", (kind.__doc__ or "").strip()]
        yield from (row for row in keys(kind, f"{at}.") if row[0] != f"`{at}.rule`")


def _kind(schema: dict[str, Any]) -> str:
    """Return a JSON schema's type in words, with its bounds."""
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(schema["enum"])
    kind = str(schema["type"])
    if "examples" in schema:
        return f"as {' or '.join(schema['examples'])}"
    if kind == "array":
        each = schema.get("prefixItems")
        kind = (
            f"{len(each)} times {_kind(each[0])}" if each else f"list of {_kind(schema['items'])}"
        )
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None and high is not None:
        more = "above " if "exclusiveMinimum" in schema else ""
        return f"{kind}, {more}{low:g} to {high:g}"
    if low is not None:
        return f"{kind}, {'above' if 'exclusiveMinimum' in schema else 'at least'} {low:g}"
    return kind


def recipe_page() -> str:
    """Return the page of the recipe's keys."""
    return page(
        "Recipe",
        "Every key of a recipe. Unknown keys are refused. `schemas/recipe.json` is the same as a "
        "JSON Schema. Durations are written with a unit: `10 d`, `36 h`, `90 min`, `30 s`.",
        table(["key", "value", "default", "what it means"], list(keys(Recipe))),
        "Each section has a `rule_id`, a hash of what it means and not of how it is spelled; "
        "`geosr recipe validate` prints them.",
    )


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Yield the section of every command."""
    below = getattr(command, "commands", None)
    if below is not None:
        for name in sorted(below):
            yield from commands(below[name], (*path, name))
        return
    text = re.sub(
        r"\n\s*\n", "\n\n", "\n".join(s.strip() for s in (command.help or "").split("\n"))
    )
    rows: list[list[object]] = []
    for parameter in command.params:
        flags = [f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts)]
        if parameter.param_type_name == "argument":
            flags = [f"`{(parameter.metavar or parameter.name).upper()}`"]
        env = f" Or set `{parameter.envvar}`." if getattr(parameter, "envvar", None) else ""
        need = "yes" if parameter.required else ""
        rows.append([", ".join(flags), need, f"{parameter.help or ''}{env}"])
    lines = [f"## geosr {' '.join(path)}", "", *text.strip().splitlines(), ""]
    yield lines + (table(["option", "needed", "what it does"], rows) if rows else [])


def commands_page() -> str:
    """Return the page of the commands."""
    return page(
        "Commands",
        "What `geosr COMMAND --help` says. Results go to stdout, progress and words to stderr.",
        *commands(typer.main.get_command(app)),
    )


def _tree(base: type[errors.GeoSRError]) -> Iterator[type[errors.GeoSRError]]:
    yield base
    for below in base.__subclasses__():
        yield from _tree(below)


def exit_codes() -> dict[int, str]:
    """Return what each exit code means."""
    said = {0: "done", INTERRUPTED: "interrupted; what was committed stays, go on with the command"}
    for error in _tree(errors.GeoSRError):
        if error.exit_code not in said:
            first = (error.__doc__ or "").strip().splitlines()[0].rstrip(".")
            said[error.exit_code] = first[0].lower() + first[1:]
    said[1] = "a bug, or an error of no other kind"
    return dict(sorted(said.items()))


def outcomes_page() -> str:
    """Return the page of exit codes, reasons and verdicts."""
    codes: list[list[object]] = [[code, what] for code, what in exit_codes().items()]
    verdicts: list[list[object]] = [
        [f"`{name}`", in_words(name)] for name in ("kept", "reserve", *(r.name for r in RULES))
    ]
    reasons: list[list[object]] = [[f"`{r.code}`", r.outcome, r.says] for r in REASONS.values()]
    return page(
        "Exit codes, reasons, verdicts",
        "## Exit codes",
        table(["code", "what it means"], codes),
        "## Reasons why an item is not kept",
        "`items.outcome` and `items.reason`. Unsupported items are sound but of no use here; "
        "something is wrong with quarantined ones.",
        table(["reason", "outcome", "what it means"], reasons),
        "## Verdicts on candidates",
        "Every candidate has one: it is kept, a reserve, or dropped by the first rule that it "
        f"breaks. What the recipe's rules say, from `{OF_A_RECIPE[0].name}` to "
        f"`{OF_A_RECIPE[-1].name}`, is asked in the order of `select.rules`, the others before "
        "and after that, in this order.",
        table(["verdict", "what it means"], verdicts),
    )


def queries_page() -> str:
    """Return the page of the shipped queries: question, command, SQL."""
    start = (
        "Each is a file in `catalog/queries`, and runs by its name; values that it asks for are "
        "given with `--arg`. Copy one and change it: `geosr sql --file mine.sql`."
    )
    blocks: list[list[str] | str] = [start]
    for path in sorted((REPO / "catalog" / "queries").glob("*.sql")):
        comment, sql = [], []
        for line in path.read_text().splitlines():
            (comment if line.startswith("--") and not sql else sql).append(line)
        said = [line.removeprefix("--").strip() for line in comment]
        command = next(line for line in said if line.startswith("geosr sql"))
        question, _, rest = " ".join(line for line in said if line != command).partition("?")
        blocks += [
            f"## {question.strip()}?",
            rest.strip(),
            ["<!-- run: ask -->", "```sh", command, "```"],
            ["```sql", *sql, "```"],
        ]
    return page("Queries", *blocks)


def pages() -> dict[Path, str]:
    """Return the text of every generated file."""
    reference = REPO / "docs" / "reference"
    schema = Recipe.model_json_schema() | {
        "$schema": "https://json-schema.org/draft/2020-12/schema"
    }
    return {
        reference / "tables.md": tables_page(),
        reference / "cubes.md": cubes_page(),
        reference / "recipe.md": recipe_page(),
        reference / "commands.md": commands_page(),
        reference / "outcomes.md": outcomes_page(),
        reference / "queries.md": queries_page(),
        REPO / "schemas" / "recipe.json": json.dumps(schema, indent=2) + "\n",
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
