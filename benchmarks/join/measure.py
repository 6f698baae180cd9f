"""The machine, and what a process and all below it use of it."""

import platform

import psutil


def tree_rss(process: psutil.Process) -> int:
    """Return the resident memory of a process and all below it, in bytes."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue
    return total


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, Linux"
