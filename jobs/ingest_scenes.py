"""`geosr scenes ingest` for spark-submit: the same options, the same exit codes.

spark-submit --packages JARS jobs/ingest_scenes.py SOURCE... --lake DIR

Spark reads the files, however few they are.
"""

import sys

from geosr_lake.cli.app import app

if __name__ == "__main__":
    sys.argv[1:1] = ["scenes", "ingest", "--spark"]
    app()
