"""`geosr pairs build --spark` for spark-submit: the same options, the same exit codes.

spark-submit --packages JARS jobs/build_pairs.py --recipe R --lake DIR
"""

import sys

from geosr_lake.cli.app import app

if __name__ == "__main__":
    sys.argv[1:1] = ["pairs", "build", "--spark"]
    app()
