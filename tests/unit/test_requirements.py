"""The locked requirements: pinned, hashed, of one mind, and what pyproject.toml asks for."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from geosr_lake.lake.session import JARS, PACKAGES

REPO = Path(__file__).parents[2]
LOCKS = {"build": (), "lake": ("lake",), "train": ("train",), "dev": ("lake", "train", "dev")}
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, str]:
    """Return version by name of one lock."""
    text = (REPO / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", [*LOCKS, "client"])
def test_every_line_is_a_pin_with_hashes(name: str) -> None:
    text = (REPO / "requirements" / f"{name}.txt").read_text()
    for entry in text.replace("\\\n", " ").splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==\S+( +--hash=sha256:[0-9a-f]{64})+ *", entry), entry[
            :80
        ]


@pytest.mark.parametrize("name", sorted(set(LOCKS) - {"build"}))
def test_a_lock_holds_what_its_extras_ask_for(name: str) -> None:
    found = pins(name)
    wanted = list(PROJECT["dependencies"])
    for extra in LOCKS[name]:
        wanted += PROJECT["optional-dependencies"][extra]
    for requirement in map(Requirement, wanted):
        version = found.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in {name}.txt: run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement}: run `make lock`"


def test_the_build_backend_is_locked() -> None:
    system = tomllib.loads((REPO / "pyproject.toml").read_text())["build-system"]
    for requirement in map(Requirement, system["requires"]):
        assert requirement.specifier.contains(pins("build")[requirement.name])


def test_the_locks_agree() -> None:
    everything = pins("dev")
    for name in (*LOCKS, "client"):
        for package, version in pins(name).items():
            assert everything.get(package, version) == version, f"{package} in {name}.txt"


def test_no_torch_for_the_lake_and_no_spark_for_training() -> None:
    assert not pins("lake").keys() & {"torch", "torchmetrics", "spandrel"}
    assert not pins("train").keys() & {"pyspark", "apache-sedona", "delta-spark", "deltalake"}


def test_packages_and_jars_are_one_stack() -> None:
    for package, version in PACKAGES.items():
        assert pins("lake")[package] == version
    assert [jar.rpartition(":")[2] for jar in JARS] == [
        PACKAGES["delta-spark"],
        PACKAGES["apache-sedona"],
    ]


OF_ANOTHER = {"py4j": "pyspark", "click": "typer"}
"""Imported by the name of what ships with another package."""
OPTIONAL = {"planetary-computer"}
"""Asked for only when an archive signs its reads; an error says how to install it."""
UNSEEN = {
    "apache-sedona": "its jar is of the same version; users of the views may import it",
    "pandas": "pyspark asks for it where it exchanges Arrow batches",
    "xarray": "opens the published cubes, in the README's lines",
}
"""Declared although no module imports them."""
KNOWN = packages_distributions()


def imports(path: Path) -> set[str]:
    """Return the first names of everything that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"geosr_lake", "__future__"}


def distributions(name: str) -> set[str]:
    """Return which distributions a name may come from."""
    known = KNOWN.get(name, [name])
    return {OF_ANOTHER.get(name, ""), *(canonicalize_name(one) for one in known)}


def declared(*extras: str) -> set[str]:
    """Return the distributions of the base and of `extras`."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_what_is_imported_is_declared() -> None:
    missing = set()
    for path in (REPO / "geosr_lake").rglob("*.py"):
        extra = "train" if "train" in path.relative_to(REPO).parts[1:2] else "lake"
        for name in imports(path):
            if not distributions(name) & (declared(extra) | OPTIONAL):
                missing.add(f"{name} in {path.relative_to(REPO)}")
    assert missing == set()


def test_what_is_declared_is_imported() -> None:
    imported = {
        one
        for path in (REPO / "geosr_lake").rglob("*.py")
        for name in imports(path)
        for one in distributions(name)
    }
    assert declared("lake", "train") - imported == set(UNSEEN)
