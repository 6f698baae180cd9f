"""The command line: parse, call one stage, print its summary."""
