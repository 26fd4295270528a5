"""Landing in S3, against a real server: the same tables as from a disk, and plain errors."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from pyspark.sql import SparkSession

from recsys_batch.config import load_settings
from recsys_batch.errors import LandingError
from recsys_batch.ingest.conservation import Conservation
from recsys_batch.ingest.landing import Taken, _matching, landing_place, new_files
from recsys_batch.ingest.objects import S3Folder, S3Object, s3_folder
from recsys_batch.job import Job
from recsys_batch.lake import s3

from .shops import Shop, shop

SECRET = "a secret that no message shows"
ACCESS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": SECRET}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    httpx.post(
        f"http://{host}:{port}/moto-api/reset"
    )  # the process's other servers share its state
    server.stop()


@pytest.fixture
def access(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An environment that leads to the server; of this process alone."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    environment = {**ACCESS, "AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3.client.cache_clear()
    yield environment
    s3.client.cache_clear()


def put(files: dict[str, bytes], bucket: str) -> None:
    client = boto3.client("s3")
    client.create_bucket(Bucket=bucket)
    for key, content in files.items():
        client.put_object(Bucket=bucket, Key=key, Body=content)


LINES = b"ts,u,i,q\n" + b"".join(b"2026-01-%02d,u%d,i,1\n" % (1 + n % 9, n) for n in range(60))
ITEMS = {"sku": ["i", "j"], "cost": [1.5, -1.0]}


def parquet(columns: dict[str, list[object]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


FILES = {
    "events/2026/01 [a].csv": LINES,
    "events/2026/02.csv.gz": gzip.compress(LINES.replace(b",i,1", b",k,1") + b"broken\n"),
    "events/2026/_SUCCESS.csv": b"no data",
    "events/2026/deep/03.csv": b"beyond the pattern",
    "items/all.parquet": parquet(ITEMS),
}


@pytest.mark.spark
def test_a_prefix_is_taken_as_a_folder_is(
    spark: SparkSession,
    tmp_path: Path,
    access: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put({f"in/shop/{name}": content for name, content in FILES.items()}, "landing")
    # Workers have the environment that the session began with; it began before the server.
    environment = spark.sparkContext.environment
    for name, value in access.items():
        monkeypatch.setitem(environment, name, value)
    dataset = shop(
        pattern="events/*/*.csv*",
        items={
            "pattern": "items/*",
            "format": "parquet",
            "fields": {"item_id": "sku", "price": "cost"},
        },
    )
    disk, far = Shop(spark, tmp_path / "disk", dataset), Shop(spark, tmp_path / "far", dataset)
    far.place = s3_folder("s3a://landing/in/shop/")
    taken = disk.take(dict(FILES))
    assert taken["events"] == Conservation(2, 121, 120, 1, 0)
    assert far.take() == taken
    tables = ("events", "catalogue", "raw_events")
    assert far.digests(*tables) == disk.digests(*tables)
    reads: list[str] = []
    monkeypatch.setattr(S3Object, "open", lambda item, _mode: reads.append(item.key))
    assert far.take() == {"items": Conservation(), "events": Conservation()}
    assert reads == []


@pytest.mark.usefixtures("access")
def test_only_what_changed_is_read_and_refused() -> None:
    put({"a/1.csv": b"ts\n1\n", "a/2.csv": b"ts\n2\n"}, "changing")
    folder, mapping = S3Folder("changing", "a"), shop().events
    found = {file.name: file for file in new_files(folder, mapping, taken={})}
    assert [str(file.path) for file in found.values()] == [
        "s3://changing/a/1.csv",
        "s3://changing/a/2.csv",
    ]
    assert {file.digest for file in found.values()} == {
        hashlib.sha256(b"ts\n%d\n" % n).hexdigest() for n in (1, 2)
    }
    taken = {name: Taken(file.digest, file.size, file.etag) for name, file in found.items()}
    put({"a/2.csv": b"ts\n3\n"}, "changing")
    with pytest.raises(LandingError, match=r"s3://changing/a/2.csv: the file was taken with diges"):
        new_files(folder, mapping, taken=taken)
    with pytest.raises(LandingError, match=r"2.csv: S3 refuses with PreconditionFailed; run again"):
        found["2.csv"].path.open("rb").read()


@pytest.mark.usefixtures("access")
def test_objects_read_like_files() -> None:
    content = bytes(range(256)) * 20_000
    put({"big": content, "none": b""}, "reading")
    found = {item.name: item for item in S3Folder("reading").objects()}
    with found["big"].open() as handle:
        assert handle.seek(-6, io.SEEK_END) == len(content) - 6
        assert handle.read() == content[-6:]
        handle.seek(1_000_000)
        assert handle.read(3_000_000) == content[1_000_000:4_000_000]
        handle.seek(0)
        assert handle.read() == content
    with found["none"].open() as handle:
        assert handle.read() == b""


@pytest.mark.usefixtures("access")
def test_what_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put({"else/1.csv": b"x"}, "there")
    mapping = shop().events

    def said(address: str) -> str:
        s3.client.cache_clear()
        place = landing_place(address)
        with pytest.raises(LandingError) as caught:
            new_files(place, mapping, taken={})
        assert "\n" not in str(caught.value)
        assert SECRET not in str(caught.value)
        return str(caught.value)

    assert "s3://absent/x: S3 refuses with NoSuchBucket; correct the bucket's" in said(
        "s3a://absent/x"
    )
    assert "s3://there/absent: no file matches '*'; put the files there" in said(
        "s3://there/absent"
    )
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        port = unused.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        assert "s3://there/else: S3 cannot be reached (Could not connect" in said("s3://there/else")
    for name in ACCESS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    found = said("s3://there/else")
    assert "Unable to locate credentials" in found
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in found


def test_a_data_set_may_land_at_an_address() -> None:
    settings = load_settings("sample", overrides={"dataset.landing": "s3a://bucket/a/b/"})
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    job = Job(settings, lake=None, landing=None, day=now.date(), now=now)  # type: ignore[arg-type]
    assert job.landing_folder() == S3Folder("bucket", "a/b")
    assert landing_place("s3/bucket") == Path("s3/bucket")
    assert s3_folder("s3://bucket") == S3Folder("bucket")


@pytest.mark.usefixtures("access")
def test_patterns_match_as_on_a_disk(tmp_path: Path) -> None:
    names = ["a.csv", "b/a.csv", "b/c/a.csv", "b/c/d.jsonl", "b/[x].csv", "b.csv/a", "b/-.csv"]
    put({f"p/{name}": b"x" for name in names}, "patterns")
    for name in names:
        path = tmp_path / name
        if not path.parent.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    for pattern in ("*.csv", "*/*.csv", "**/*.csv", "b/**/*", "**/a.csv", "b/[[]x].csv", "?.csv"):
        far = dict(_matching(S3Folder("patterns", "p"), pattern))
        assert set(far) == set(dict(_matching(tmp_path, pattern))), pattern
        assert far, pattern
