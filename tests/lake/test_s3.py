"""Addresses of S3, and what deltalake and Spark are told of it: no credential."""

from __future__ import annotations

import pytest

from recsys_batch.lake.s3 import S3Place, delta_options, hadoop_options, s3_place

NAMES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the secret")
    return monkeypatch


def test_addresses() -> None:
    place = s3_place("s3a://bucket//a/b/")
    assert place == S3Place("bucket", "a/b")
    assert str(place / "c") == "s3://bucket/a/b/c"
    assert (S3Place("bucket") / "c").hadoop == "s3a://bucket/c"
    for other in ("/a/folder", "a/folder", "s3:/bucket/a", "hdfs://host/a"):
        assert s3_place(other) is None


def test_aws_itself_needs_nothing_but_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_REGION", "eu-north-1")
    assert delta_options()["aws_region"] == "eu-north-1"
    assert "aws_endpoint_url" not in delta_options()
    assert hadoop_options()["fs.s3a.endpoint.region"] == "eu-north-1"
    assert "fs.s3a.endpoint" not in hadoop_options()


@pytest.mark.parametrize(("address", "plain"), [("http://h:1", "true"), ("https://h", "false")])
def test_another_store_is_named(environment: pytest.MonkeyPatch, address: str, plain: str) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://of-all-services")
    environment.setenv("AWS_ENDPOINT_URL_S3", address)
    found = delta_options()
    assert (found["aws_endpoint_url"], found["allow_http"]) == (address, plain)
    assert found["aws_conditional_put"] == "etag"
    assert found["aws_region"] == "us-east-1"
    assert hadoop_options()["fs.s3a.endpoint"] == address
    assert hadoop_options()["fs.s3a.path.style.access"] == "true"
    told = str((delta_options(), hadoop_options()))
    assert "the key" not in told
    assert "the secret" not in told
