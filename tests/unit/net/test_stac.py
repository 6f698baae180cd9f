"""Answers of a STAC API, as they are read: links to more, and JSON that is none quite."""

import json
import math

import pytest

from geosr_lake.net.stac import Request, _json_text, _next_of

FIRST = Request("POST", "https://h/search", {"limit": 3, "collections": ["c"]}, {"Key": "k"})


def following(**link: object) -> Request:
    page = {"links": [{"rel": "self", "href": "x"}, {"rel": "next", "href": "?p=2", **link}]}
    found = _next_of(page, FIRST)
    assert found is not None
    return found


def test_a_link_without_a_host_is_of_the_page_that_it_stands_in() -> None:
    assert following() == Request("GET", "https://h/search?p=2", {}, {})


def test_a_body_and_headers_are_merged_where_that_is_said() -> None:
    """As the STAC API's paragraph on paging has it: a cursor may be in either."""
    link = {"method": "POST", "href": "https://h/search", "body": {"token": "t"}}
    link["headers"] = {"Search-After": "3"}
    whole = following(**link, merge=True)
    assert whole.body == {**FIRST.body, "token": "t"}
    assert whole.headers == {"Key": "k", "Search-After": "3"}
    alone = following(**link)
    assert (alone.body, alone.headers) == ({"token": "t"}, {"Search-After": "3"})


def test_a_cursor_in_headers_tells_requests_apart() -> None:
    link = {"method": "POST", "href": "https://h/search", "merge": True}
    second, third = (following(**link, headers={"Search-After": n}) for n in ("3", "6"))
    assert len({FIRST.key, second.key, third.key}) == 3


@pytest.mark.parametrize("text", ['{"a": 1}', "[]", '{"a": "é"}'])
def test_json_is_taken_as_it_is(text: str) -> None:
    assert _json_text(text.encode()) == text


def test_numbers_that_are_none_become_null() -> None:
    text = json.dumps({"cloud": math.nan, "more": [math.inf, 1.5]})
    assert json.loads(_json_text(text.encode())) == {"cloud": None, "more": [None, 1.5]}
    text = f'{{"gsd": 1e999, "a": {"9" * 400}, "b": {"9" * 30}, "c": -12, "d": NaN, "e": 0.5}}'
    found = json.loads(_json_text(text.encode()))
    assert found == {"gsd": None, "a": None, "b": 1e30, "c": -12, "d": None, "e": 0.5}


def test_half_a_character_is_a_question_mark() -> None:
    assert json.loads(_json_text(rb'{"title": "a\ud800b"}')) == {"title": "a?b"}


@pytest.mark.parametrize("content", [b"<html>busy</html>", b'{"a": 1', b"", b"\xff\xfe{"])
def test_what_is_cut_or_of_words_is_no_json(content: bytes) -> None:
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        _json_text(content)
