"""Where a statement ends; what the prompt completes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.cli.prompt import complete
from geosr_lake.cli.statements import split


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("", [], ""),
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;", ["SELECT 1"], ""),
        ("SELECT 1; SELECT 2 ;\n SELECT 3", ["SELECT 1", "SELECT 2"], "SELECT 3"),
        (
            "SELECT ';' ; SELECT \";\"; SELECT 1 AS `;`;",
            ["SELECT ';'", 'SELECT ";"', "SELECT 1 AS `;`"],
            "",
        ),
        (r"SELECT 'it\'s; here';", [r"SELECT 'it\'s; here'"], ""),
        ("SELECT 'it''s; here';", ["SELECT 'it''s; here'"], ""),
        ("-- no; thing\nSELECT 1;", ["-- no; thing\nSELECT 1"], ""),
        ("/* a;\nb */ SELECT 1;", ["/* a;\nb */ SELECT 1"], ""),
        (";;  ; -- only this", [], ""),
        ("SELECT 'open;", [], "SELECT 'open;"),
        ("/* open;", [], ""),
    ],
)
def test_statements_end_at_semicolons_of_their_own(
    text: str, statements: list[str], rest: str
) -> None:
    assert split(text) == (statements, rest)


PIECES = st.sampled_from(["SELECT 1", "'a;b'", '"c;d"', "`e;f`", "/* g;h */", " -- i;\n", "\n"])


@given(st.lists(st.lists(PIECES, min_size=1, max_size=4), max_size=5))
def test_what_is_joined_by_semicolons_comes_apart_again(parts: list[list[str]]) -> None:
    texts = ["".join(pieces) for pieces in parts]
    kept = [
        text.strip()
        for text, pieces in zip(texts, parts, strict=True)
        if any(not p.isspace() and not p.lstrip().startswith(("--", "/*")) for p in pieces)
    ]
    assert split("".join(text + ";" for text in texts)) == (kept, "")


def test_completion_ignores_case() -> None:
    words = ["scene_id", "scenes", "SELECT"]
    assert [complete(words, "s", i) for i in range(4)] == [*words, None]
    assert complete(words, "sel", 0) == "SELECT"
