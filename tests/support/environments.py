"""Real environments that hold only some distributions, made in a second without downloading.

Each is a virtual environment whose `site-packages` links to the distributions of this one; what is
not linked cannot be imported there.
"""

import importlib.metadata
import re
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPO = Path(__file__).parents[2]


def locked(lock: str) -> list[str]:
    """Return the names of the distributions that `requirements/<lock>.txt` pins."""
    text = (REPO / "requirements" / f"{lock}.txt").read_text()
    return re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)


def _top_level(name: str) -> set[Path]:
    """Return the files and folders of a distribution that stand in `site-packages`."""
    found = importlib.metadata.distribution(name)
    tops = {Path(file.parts[0]) for file in found.files or [] if file.parts[0] != ".."}
    return {Path(str(found.locate_file(top))) for top in tops}


def with_dependencies(*names: str) -> list[str]:
    """Return `names` and all that they need, without extras."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.append(name)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def environment(folder: Path, names: list[str], *, package: bool = True) -> Path:
    """Make an environment of distributions at `folder`; return its interpreter.

    Skips the test if this environment lacks one of them.

    Args:
        folder: Where; must not exist.
        names: The distributions, all of them.
        package: Whether geosr_lake itself is there.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in names:
        try:
            tops = _top_level(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed here")
        for top in tops:
            link = site / top.name
            if top.suffix != ".pth" and not link.exists():
                link.symlink_to(top)
    if not package:
        return folder / "bin" / "python"
    own = importlib.metadata.distribution("geosr_lake")
    for top in {file.parts[0] for file in own.files or [] if ".dist-info" in file.parts[0]}:
        (site / top).symlink_to(str(own.locate_file(top)))
    (site / "geosr_lake.pth").write_text(f"{REPO}\n")
    return folder / "bin" / "python"
