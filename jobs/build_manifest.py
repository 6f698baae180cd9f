"""`geosr manifest build` for spark-submit: the same options, the same exit codes.

spark-submit --packages JARS jobs/build_manifest.py --recipe R --land-cover FILE --lake DIR

It works in the driver alone: manifests need no workers.
"""

import sys

from geosr_lake.cli.app import app

if __name__ == "__main__":
    sys.argv[1:1] = ["manifest", "build"]
    app()
