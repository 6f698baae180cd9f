"""`spark-submit jobs/build_pairs.py --lake DIR --recipe RECIPE`: the pairs stage on a cluster."""

import argparse
import json
import sys
from dataclasses import asdict

from geosr_lake.errors import GeoSRError
from geosr_lake.lake import Lake
from geosr_lake.pairs.build import build
from geosr_lake.recipe import load_recipe


def main() -> int:
    """Parse, build, print what was built; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True)
    parser.add_argument("--recipe", required=True)
    args = parser.parse_args()
    try:
        recipe = load_recipe(args.recipe)
        summary = build(Lake.open(args.lake), recipe)
    except GeoSRError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - a job has no console
        return error.exit_code
    print(json.dumps(asdict(summary)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
