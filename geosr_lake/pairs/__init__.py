"""Pairs: scenes of two sensors that see the same ground within a recipe's window of time."""
