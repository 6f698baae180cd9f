"""Where the data files that ship with the package are: `schemas/` and `catalog/`."""

from pathlib import Path


def resource_dir(name: str) -> Path:
    """Return the folder `schemas` or `catalog`, in a wheel or in a source checkout."""
    package = Path(__file__).parent
    installed = package / "_data" / name
    return installed if installed.is_dir() else package.parent / name
