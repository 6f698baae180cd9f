"""Rebuild GeoSR-Bench, or a variant of it, from public satellite archives."""

__version__ = "0.1.0"
