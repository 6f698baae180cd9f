"""Scenes: acquisitions and tiles derived from the items that archives served."""
