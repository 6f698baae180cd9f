"""`python -m geosr_lake` is `geosr`."""

from geosr_lake.cli.app import main

main()
