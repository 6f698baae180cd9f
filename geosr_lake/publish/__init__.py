"""Publishing: a manifest's cubes as a static STAC catalog that needs nothing of this package."""
