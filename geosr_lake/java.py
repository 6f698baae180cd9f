"""Which Java Spark would start; known without any package of the lake."""

import os
import re
import shutil
import subprocess
from pathlib import Path

JAVA_VERSION = 17
"""The major version that the stack was run with."""


def java_version() -> int | None:
    """Return the major version of the Java that Spark would start, or None without one."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or shutil.which(java) is None:
        return None
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)(?:\.(\d+))?', done.stderr + done.stdout)
    if found is None:
        return None
    major = int(found[1])
    return int(found[2]) if major == 1 and found[2] else major
