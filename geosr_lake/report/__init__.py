"""Reads a lake and says what is in it, and why. Without a JVM."""
