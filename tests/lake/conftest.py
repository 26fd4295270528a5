"""A bucket of a real S3 server, for the tests of tables there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.objectstore import Store, store
from recsys_batch.lake import s3


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The server, with a bucket ``lake``."""
    with store(tmp_path_factory.mktemp("s3")) as made:
        made.bucket("lake")
        yield made


@pytest.fixture
def bucket(server: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The server, and an environment of this process that leads to it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    s3.client.cache_clear()
    yield server
    s3.client.cache_clear()
