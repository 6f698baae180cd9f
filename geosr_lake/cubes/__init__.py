"""The cubes: a manifest's pixels as Zarr stores, and the ledger that says what stands in them."""
