"""What this machine must have, looked at for real: each thing that fails comes with one fix."""

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from geosr_lake.errors import GeoSRError

MIN_MEMORY_GIB = 8.0
"""What the demo was measured with: Spark's driver, Dask's workers and room for the system."""
MEMORY_SLACK = 0.9
"""A machine sold with 8 GiB shows less: firmware and kernel keep some."""
MIN_DISK_GIB = 5.0
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_GIB = 2**30

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What was looked at.
        ok: Whether it is as it must be.
        found: What was found, one clause.
        fix: What to do about it; None if `ok`.
        required: False for what only some commands need.
    """

    name: str
    ok: bool
    found: str
    fix: str | None = None
    required: bool = True


@dataclass(frozen=True)
class Diagnosis:
    """All checks; `healthy` if nothing that is required failed."""

    healthy: bool
    checks: tuple[Check, ...]


def diagnose(folder: Path, *, start: bool = True, tell: Tell | None = None) -> Diagnosis:
    """Look at Python, Java, packages, jars, memory, disk, GDAL and torch, and start Spark.

    Args:
        folder: Where results would be written; its disk is the one that is looked at. It need
            not exist.
        start: Whether to start Spark if nothing is wrong before.
        tell: Receives a sentence before the first download of the jars.
    """
    checks = [check_python(), *check_packages()]
    stack_fits = all(check.ok for check in checks)
    checks += [check_java(), check_memory(), check_disk(folder)]
    if stack_fits:
        checks += [check_jars(), check_gdal()]
    checks.append(check_torch())
    if start and stack_fits and all(check.ok for check in checks if check.required):
        checks.append(check_spark(tell))
    return Diagnosis(all(c.ok for c in checks if c.required), tuple(checks))


def check_python() -> Check:
    """Look at the interpreter; the tests run on 3.11."""
    found = f"{platform.python_version()} at {sys.executable}"
    ok = sys.version_info >= (3, 11)
    return Check("Python", ok, found, None if ok else "Install Python 3.11.")


def _needed(extra: str) -> Iterator[tuple[str, str]]:
    """Yield name and version specifier of the distributions that `extra` brings, and the base."""
    from packaging.requirements import Requirement

    for line in importlib.metadata.requires("geosr_lake") or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement.name, str(requirement.specifier)


def check_packages(needed: Iterator[tuple[str, str]] | None = None) -> list[Check]:
    """Look at the packages of the extra `lake`: one check if all fit, else one for each misfit.

    Spark's, Delta's and Sedona's versions are exact, because their jars are.
    """
    from packaging.specifiers import SpecifierSet

    fix = "Install the extra `lake`: in a checkout, `make demo` does; or `pip install '.[lake]'`."
    misfits, count = [], 0
    for name, wanted in _needed("lake") if needed is None else needed:
        count += 1
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            misfits.append(Check(f"package {name}", False, "not installed", fix))
            continue
        if not SpecifierSet(wanted).contains(found, prereleases=True):
            misfits.append(Check(f"package {name}", False, f"{found}, not {wanted}", fix))
    return misfits or [Check("packages", True, f"{count} fit, those with jars exactly")]


def check_java() -> Check:
    """Look at the Java that Spark would start: JAVA_HOME's, else the one on PATH."""
    from geosr_lake.java import JAVA_VERSION, java_version

    found = java_version()
    if found == JAVA_VERSION:
        return Check("Java", True, str(found))
    if found is None:
        fix = f"Install a Java {JAVA_VERSION} runtime and put it on PATH or set JAVA_HOME to it."
        return Check("Java", False, "none", fix)
    fix = f"Install a Java {JAVA_VERSION} runtime and set JAVA_HOME to it."
    return Check("Java", False, str(found), fix)


def check_jars() -> Check:
    """Say whether the jars of Delta and Sedona are there; Spark fetches them at its first start."""
    from geosr_lake.lake.session import JARS_MB, ivy_dir, jars_present

    if jars_present():
        return Check("jars", True, f"in {ivy_dir()}")
    return Check(
        "jars", True, f"not in {ivy_dir()} yet: Spark's first start downloads {JARS_MB} MB"
    )


def _memory_bytes() -> int:
    """Return the memory of the machine, or of the container if it is given less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in map(Path, _CGROUP_LIMITS):
        if file.is_file() and (limit := file.read_text().strip()).isdigit():
            total = min(total, int(limit))
    return total


def check_memory(total_bytes: int | None = None) -> Check:
    """Look at how much memory there is, not at how much is free."""
    total = (_memory_bytes() if total_bytes is None else total_bytes) / _GIB
    if total >= MIN_MEMORY_GIB * MEMORY_SLACK:
        return Check("memory", True, f"{total:.1f} GiB")
    fix = f"Use a machine with {MIN_MEMORY_GIB:.0f} GiB, or raise the container's limit."
    return Check("memory", False, f"{total:.1f} GiB", fix)


def check_disk(folder: Path) -> Check:
    """Look at the free disk of `folder`, or of its nearest parent that exists."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        fix = "Name a folder with --lake that you may write to."
        return Check("disk", False, f"{there} is no folder, or may not be written to", fix)
    free = shutil.disk_usage(there).free / _GIB
    if free >= MIN_DISK_GIB:
        return Check("disk", True, f"{free:.1f} GiB free at {there}")
    fix = f"Free {MIN_DISK_GIB:.0f} GiB there, or name another folder with --lake."
    return Check("disk", False, f"{free:.1f} GiB free at {there}", fix)


def check_gdal() -> Check:
    """Load rasterio with the pinned settings: our formats are there, networked ones are not."""
    from geosr_lake.net.formats import FORMATS
    from geosr_lake.net.gdal_env import load_rasterio

    try:
        rasterio = load_rasterio()
    except ImportError as error:  # a library that its wheel expects on the system
        return Check("GDAL", False, f"rasterio does not load: {error}", "Install rasterio anew.")
    with rasterio.Env() as env:
        drivers = set(env.drivers())
    version = f"GDAL {rasterio.__gdal_version__}, rasterio {rasterio.__version__}"
    if lacking := {form.driver for form in FORMATS} - drivers:
        said = f"{version}, without {', '.join(sorted(lacking))}"
        return Check("GDAL", False, said, "Install rasterio anew, from its wheel.")
    if not drivers & {"WMS", "VRT", "HTTP"}:
        return Check("GDAL", True, version)
    fix = "Start a fresh process: another library has loaded GDAL with settings of its own."
    return Check("GDAL", False, f"{len(drivers)} drivers, those for the network among them", fix)


def check_torch() -> Check:
    """Say whether torch is installed, without loading it; only `geosr train` needs it."""
    try:
        found = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        fix = "To train, install the extra `train`: in a checkout, `make demo-train` does."
        return Check("torch", False, "not installed", fix, required=False)
    return Check("torch", True, found, required=False)


def check_spark(tell: Tell | None = None) -> Check:
    """Start a session, ask Sedona something, and write and read a Delta table."""
    from geosr_lake.lake.session import spark_session

    begun = time.monotonic()
    try:
        spark = spark_session(tell=tell)
        area = spark.sql("SELECT ST_Area(ST_GeomFromWKT('POLYGON((0 0,2 0,2 3,0 3,0 0))')) a")
        with tempfile.TemporaryDirectory(prefix="geosr-doctor-") as folder:
            area.write.format("delta").save(folder)
            answer = [row.a for row in spark.read.format("delta").load(folder).collect()]
        spark.stop()
    except GeoSRError as error:
        where = f" ({error.where})" if error.where else ""
        return Check("Spark", False, f"{error.what}{where}", _spark_fix())
    if answer != [6.0]:
        return Check("Spark", False, f"Sedona answered {answer}", "Install from requirements/.")
    return Check("Spark", True, f"Sedona and Delta answer, {time.monotonic() - begun:.0f} s")


def _spark_fix() -> str:
    """Return the fix for a session that did not start; missing jars are the usual reason."""
    from geosr_lake.lake.session import jars_present

    if not jars_present():
        return "Let this machine reach a Maven repository, or copy the jars to GEOSR_IVY_DIR/jars."
    return "Read the file that is named, and look at GEOSR_MASTER and GEOSR_DRIVER_MEMORY."
