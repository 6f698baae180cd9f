"""A small lake with a manifest, for tests that only read."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from manifest_world import Built


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> "Built":
    """To be read, not changed."""
    from manifest_world import make_built

    return make_built(tmp_path_factory.mktemp("manifest"))
