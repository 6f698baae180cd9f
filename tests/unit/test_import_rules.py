"""Imports flow one way: command line -> stages -> lake, net, archives -> sensors -> facts and ids.

The rules are read off the syntax tree of every module, so that imports inside functions and under
`TYPE_CHECKING` count too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PACKAGE = "geosr_lake"

GROUND = {
    "arrays",
    "errors",
    "ids",
    "java",
    "pair_ids",
    "recipe",
    "redact",
    "resources",
    "s3_env",
    "sensors",
    "verdicts",
}
MIDDLE = {"lake", "net", "archives"}
STAGES = {"scenes", "pairs", "manifest", "cubes", "publish", "report", "demo"}
TOP = {"cli", "__main__", "jobs"}

MAY_IMPORT: dict[str, set[str]] = {
    "": {"lake"},  # the package itself: `open_lake`, which imports when it is called
    "arrays": set(),
    "errors": set(),
    "java": set(),
    "resources": set(),
    "redact": set(),
    "verdicts": set(),
    "ids": {"errors"},
    "s3_env": {"errors"},
    "pair_ids": {"ids"},
    "recipe": {"errors", "ids", "resources"},
    "sensors": {"errors"},
    "net": GROUND,
    "archives": GROUND,
    "lake": GROUND,
    **dict.fromkeys(STAGES, GROUND | MIDDLE),
    "doctor": GROUND | MIDDLE,
    "train": {"errors"},
    **{top: GROUND | MIDDLE | STAGES | {"doctor", "train", "cli"} for top in TOP},
}
"""What each part may import of the package besides itself; the version is everybody's."""

SPARK = {"pyspark", "delta", "sedona", "py4j"}
TORCH = {"torch", "torchvision", "torchmetrics", "spandrel", "safetensors"}
NETWORK = {
    *("socket", "ssl", "http", "urllib.request", "ftplib", "requests", "httpx", "aiohttp"),
    *("urllib3", "obstore", "fsspec", "s3fs", "boto3", "pystac_client", "planetary_computer"),
}

ONLY_IN: list[tuple[set[str], set[str]]] = [
    (SPARK, {"", "lake", "scenes", "pairs", "jobs"}),
    (TORCH, {"train"}),
    (NETWORK, {"net"}),
]
"""Libraries, and the parts that may import them."""

EXCEPTIONS = {
    ("lake.serve", "socket"): "asks whether a port of loopback is free",
    ("lake.locks", "socket"): "a lock names the host of its holder; opens nothing",
    ("lake.bucket", "obstore"): "a lake may lie in a bucket, which its user names",
}

OPENERS = {"rasterio.open", "urllib.request.urlopen"}
MAY_OPEN = {"net", "demo"}
"""Rasters are opened through `net`; the demo's generator writes its own."""


def module_name(path: Path) -> str:
    """Return the dotted name below the package, or `jobs.<name>` for a job."""
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[1:] if parts[0] == PACKAGE else parts)


def imported(tree: ast.AST, module: str, *, is_package: bool = False) -> Iterator[str]:
    """Yield the full dotted name of everything that the module imports, relative ones too."""
    here = [PACKAGE, *module.split(".")] if module else [PACKAGE]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = node.level - (1 if is_package else 0)
            base = here[: len(here) - up] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)
        elif _is_import_call(node) and isinstance(node, ast.Call):
            first = node.args[0]
            yield first.value if isinstance(first, ast.Constant) else "a name made at run time"


def _is_import_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and bool(node.args)
        and ast.unparse(node.func) in {"importlib.import_module", "import_module", "__import__"}
    )


def _within(name: str, library: str) -> bool:
    return name == library or name.startswith(library + ".")


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Return one sentence for each import or opening that the rules forbid to `module`."""
    tree = ast.parse(source)
    part = module.partition(".")[0]
    found = []
    for name in imported(tree, module, is_package=is_package):
        if _within(name, PACKAGE):
            other = name.split(".")[1] if "." in name else ""
            if other not in {part, "", "__version__"} | MAY_IMPORT.get(part, set()):
                found.append(f"{module} imports {name}: {part} may not know {other}")
            continue
        for libraries, parts in ONLY_IN:
            hit = next((lib for lib in libraries if _within(name, lib)), None)
            if hit and part not in parts and (module, hit) not in EXCEPTIONS:
                found.append(f"{module} imports {name}: only {', '.join(sorted(parts))} may")
    if part not in MAY_OPEN:
        calls = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        for call in sorted(calls & OPENERS):
            if (module, call) not in EXCEPTIONS:
                found.append(f"{module} calls {call}: only net may")
    return found


MODULES = sorted([*(REPO / PACKAGE).rglob("*.py"), *(REPO / "jobs").rglob("*.py")])


def test_imports_flow_one_way() -> None:
    found = []
    for path in MODULES:
        is_package = path.name == "__init__.py"
        module = module_name(path.parent if is_package else path)
        found += violations(path.read_text(), module, is_package=is_package)
    assert found == []


def test_every_part_has_a_rule() -> None:
    parts = {module_name(path).split(".")[0] for path in MODULES} - {"__init__"}
    assert parts <= MAY_IMPORT.keys()


def test_the_rules_have_no_circle() -> None:
    waiting = {part: names for part, names in MAY_IMPORT.items() if part not in TOP}
    settled: set[str] = set()
    while waiting:
        ready = {part for part, names in waiting.items() if names <= settled}
        assert ready, f"a circle among {sorted(waiting)}"
        settled |= ready
        waiting = {part: names for part, names in waiting.items() if part not in ready}


@pytest.mark.parametrize(
    ("module", "source", "says"),
    [
        ("pairs.join", "from geosr_lake.scenes import ingest", "may not know scenes"),
        ("pairs.join", "from ..scenes.ingest import ingest", "may not know scenes"),
        ("pairs.join", "def f():\n    import geosr_lake.cubes.plan", "may not know cubes"),
        ("scenes.ingest", "from geosr_lake.cli import console", "may not know cli"),
        ("lake.tables", "from geosr_lake.pairs import build", "may not know pairs"),
        ("sensors.modis", "from geosr_lake.lake import Lake", "may not know lake"),
        ("train.dataset", "from geosr_lake.lake import Lake", "may not know lake"),
        ("train.dataset", "from geosr_lake.recipe import load_recipe", "may not know recipe"),
        ("train.dataset", "import pyspark.sql", "only"),
        ("cubes.write", "from pyspark.sql import functions", "only"),
        ("publish.stac", "import torch", "only train may"),
        ("scenes.read", "import torch.nn as nn", "only train may"),
        ("scenes.read", "from urllib.request import urlopen", "only net may"),
        ("scenes.read", "from urllib import request", "only net may"),
        ("scenes.read", "import requests", "only net may"),
        ("cubes.read", "import rasterio\nrasterio.open(href)", "calls rasterio.open"),
        ("pairs.join", "import importlib\nimportlib.import_module('torch')", "only train may"),
        (
            "pairs.join",
            "if TYPE_CHECKING:\n    from geosr_lake.cubes import plan",
            "may not know cubes",
        ),
    ],
)
def test_a_planted_violation_is_caught(module: str, source: str, says: str) -> None:
    found = violations(source, module)
    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pairs.join", "from geosr_lake.lake import Lake\nfrom pyspark.sql import DataFrame"),
        ("pairs.join", "from . import predicate\nfrom .overlap import area"),
        ("net.ranges", "import http.client\nimport urllib.request"),
        ("scenes.read", "from urllib.parse import urlsplit"),
        ("cli.train", "from geosr_lake.train.fit import fit"),
        ("cli.app", "from geosr_lake import __version__"),
        ("lake.locks", "import socket"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    assert violations(source, module) == []
