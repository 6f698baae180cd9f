"""Text to SQL statements: where one ends."""

import re

_PIECE = re.compile(
    r"""--[^\n]*            # a comment up to the end of the line
    | /\*.*?(?:\*/|\Z)      # a comment in brackets
    | '(?:\\.|[^'\\])*(?:'|\Z)
    | "(?:\\.|[^"\\])*(?:"|\Z)
    | `[^`]*(?:`|\Z)
    | ;
    | .""",
    re.VERBOSE | re.DOTALL,
)


def split(text: str) -> tuple[list[str], str]:
    """Cut a text at the semicolons that stand outside quotes and comments.

    Returns:
        The statements that a semicolon ended, and what follows the last one. Statements of
        nothing but space and comments are left out; the rest is empty if it is such.
    """
    statements, current, something = [], "", False
    for piece in _PIECE.findall(text):
        if piece == ";":
            if something:
                statements.append(current.strip())
            current, something = "", False
            continue
        current += piece
        something = something or not (piece.isspace() or piece.startswith(("--", "/*")))
    return statements, current.strip() if something else ""
