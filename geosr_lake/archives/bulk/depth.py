"""How deep the containers of JSON texts are nested, for many texts at once."""

from collections.abc import Sequence

import numpy as np

from geosr_lake.archives.bulk.values import Mask

_KEPT = b'{}[]"\n'
_DROPPED = bytes(set(range(256)) - set(_KEPT))
_STEP = np.zeros(256, np.int8)
_STEP[list(b"{[")] = 1
_STEP[list(b"}]")] = -1


def within(texts: Sequence[bytes], limit: int) -> Mask:
    """Tell which texts, sound JSON of one line each, nest no deeper than `limit`.

    Where that cannot be told, the answer is no.
    """
    if not texts:
        return np.zeros(0, bool)
    block = b"\n".join(texts) + b"\n"
    if b"\\" in block:
        block = _without_escapes(block)
    marks = np.frombuffer(block.translate(None, _DROPPED), np.uint8)
    # Strings hold no line break, so every line has an even number of quotation marks.
    quote = marks == ord('"')
    outside = np.bitwise_xor.accumulate(quote) == quote
    marks = marks[outside & ~quote]
    depth = np.cumsum(_STEP[marks], dtype=np.int32)
    ends = np.flatnonzero(marks == ord("\n"))
    if len(ends) != len(texts) or depth[ends].any():
        return np.zeros(len(texts), bool)
    starts = np.concatenate([[0], ends[:-1]])
    return np.asarray(np.maximum.reduceat(depth, starts) <= limit)


def _without_escapes(block: bytes) -> bytes:
    """Return JSON without escaped quotation marks."""
    characters = np.frombuffer(block, np.uint8)
    escapes = np.flatnonzero(characters == ord("\\"))
    if (np.diff(escapes) == 1).any():  # one that escapes another
        return block.replace(b"\\\\", b"").replace(b'\\"', b"")
    blotted = characters.copy()
    blotted[escapes + 1] = ord(" ")
    return blotted.tobytes()
