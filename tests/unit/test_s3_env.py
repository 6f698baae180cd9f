"""Where the object store is, by the environment."""

import pytest

from geosr_lake import s3_env


def test_the_region_is_the_first_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert s3_env.region() == "us-east-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert s3_env.region() == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "")
    assert s3_env.region() == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert s3_env.region() == "us-west-2"


def test_what_a_store_refuses_is_told_without_what_it_was_asked_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    refusal = OSError("403 with the key canary")
    for endpoint, told in (("", "s3://lake at AWS"), ("http://127.0.0.1:9", "127.0.0.1:9")):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        said = str(s3_env.refused(refusal, "s3://lake"))
        assert told in said
        assert "OSError" in said
        assert "AWS_REGION" in said
        assert "canary" not in said
