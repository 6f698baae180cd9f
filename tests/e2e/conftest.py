"""The demo's output, made once for all tests that look at it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WITHOUT = (
    "import sys; sys.modules['torch'] = sys.modules['pyspark'] = None; "
    "from geosr_lake.cli.app import main; main()"
)
"""The command line in a process that cannot import torch, which nothing of the builder needs, nor
pyspark, which a lake as small as the demo's does not need."""


@pytest.fixture(scope="session")
def demo_output(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of one `geosr demo`; GEOSR_DEMO_OUTPUT names one that ran before."""
    given = os.environ.get("GEOSR_DEMO_OUTPUT")
    out = Path(given) if given else tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "demo", "--out", str(out), "--json"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary
