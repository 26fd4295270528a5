"""How S3 is reached: one client, one reading of the environment, one sentence for a refusal.

Endpoint, region and credentials are those of every AWS tool: ``AWS_ENDPOINT_URL``,
``AWS_ACCESS_KEY_ID``, profiles, instance roles. Light to import, since Spark's Python workers do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from recsys_batch.errors import RecsysError

_ADDRESS = re.compile(r"s3[an]?://(?P<bucket>[^/]+)/*(?P<prefix>.*?)/*")
_CONNECT, _READ = 10, 60  # seconds
_ATTEMPTS = 5
_THERE = {409, 412}  # HTTP: another was faster, or it is there
_ACCESS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role that may list, read and "
    "write it"
)
# What Spark was given of the driver's environment, then what the machine has: environment, web
# identity, profile, role. Hadoop's own default knows no profile.
_CREDENTIALS = (
    "org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider,"
    "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider,"
    "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
)
# Looking at a file takes a request: executors look at many of them together, the driver at few.
DISCOVERY = {
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "64",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "64",
}
_FIXES = {
    "NoSuchBucket": "correct the bucket's name, or make it",
    "NoSuchKey": "land it again, or wait until it is whole",
    "PreconditionFailed": "run again when nothing writes it any more",
}
_REACH = (
    "see that the store answers; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a "
    "role, and AWS_ENDPOINT_URL for a store other than AWS"
)


@dataclass(frozen=True)
class S3Place:
    """A bucket, or what lies below a prefix of it."""

    bucket: str
    prefix: str = field(default="")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def __truediv__(self, name: str) -> S3Place:
        """What lies below it under a name."""
        return S3Place(self.bucket, f"{self.prefix}/{name}" if self.prefix else name)

    @property
    def hadoop(self) -> str:
        """Its address as Spark's JVM reads it."""
        return f"s3a://{self.bucket}/{self.prefix}"


def s3_place(address: str) -> S3Place | None:
    """Read ``s3://BUCKET/PREFIX`` (or ``s3a://``); None where it is no such address."""
    match = _ADDRESS.fullmatch(address)
    return S3Place(match["bucket"], match["prefix"]) if match else None


def endpoint() -> str | None:
    """The address of a store other than AWS; None for AWS."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def region() -> str | None:
    """The region that the environment names; any will do for a store other than AWS."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or ("us-east-1" if endpoint() else None)


def delta_options() -> dict[str, str]:
    """What deltalake is told beside the environment, which it reads for credentials itself.

    A commit puts its entry of the log only where there is none of that number, so that of two
    writers one is told and tries again (``If-None-Match``, which stores must keep).
    """
    found = {
        "aws_conditional_put": "etag",
        "connect_timeout": f"{_CONNECT}s",
        "max_retries": str(_ATTEMPTS),
        "retry_timeout": f"{_READ}s",
    }
    if address := endpoint():
        found["aws_endpoint_url"] = address
        found["allow_http"] = str(address.startswith("http://")).lower()
    if name := region():
        found["aws_region"] = name
    return found


def hadoop_options() -> dict[str, str]:
    """What a reader of Spark's is told of ``s3a://``; no credential, which Spark has of its own."""
    found = {
        "fs.s3a.input.stream.type": "classic",  # the other reads ahead what Parquet passes over
        "fs.s3a.aws.credentials.provider": _CREDENTIALS,
        "fs.s3a.connection.establish.timeout": f"{_CONNECT}s",
        "fs.s3a.attempts.maximum": "3",
        "fs.s3a.retry.limit": str(_ATTEMPTS),
        "fs.s3a.connection.request.timeout": f"{_READ}s",
    }
    if address := endpoint():
        found |= {"fs.s3a.endpoint": address, "fs.s3a.path.style.access": "true"}
    if name := region():
        found["fs.s3a.endpoint.region"] = name
    return found


@cache
def client() -> Any:
    """The process's client; threads may share it."""
    import boto3
    from botocore.config import Config

    own = endpoint() is not None
    return boto3.session.Session().client(
        "s3",
        config=Config(
            connect_timeout=_CONNECT,
            read_timeout=_READ,
            retries={"mode": "standard", "max_attempts": _ATTEMPTS},
            s3={"addressing_style": "path"} if own else {},
            # Stores other than AWS need not know the checksums that it came to ask for.
            request_checksum_calculation="when_required" if own else None,
        ),
    )


def keys_below(place: S3Place, *, most: int | None = None) -> list[str]:
    """Keys of the objects below a place, relative to it, in order; of many, the first.

    Parameters
    ----------
    most
        No more than so many (of 1,000 at most); None: all.
    """
    below = f"{place.prefix}/" if place.prefix else ""
    if most is not None:
        answer = client().list_objects_v2(Bucket=place.bucket, Prefix=below, MaxKeys=most)
        pages = [answer]
    else:
        listing = client().get_paginator("list_objects_v2")
        pages = listing.paginate(Bucket=place.bucket, Prefix=below)
    return [each["Key"][len(below) :] for page in pages for each in page.get("Contents", ())]


def content(place: S3Place) -> bytes | None:
    """The bytes of an object; None where there is none."""
    try:
        answer = client().get_object(Bucket=place.bucket, Key=place.prefix)
    except client().exceptions.NoSuchKey:
        return None
    found: bytes = answer["Body"].read()
    return found


def put_once(place: S3Place, body: bytes) -> None:
    """Put an object where there is none; one that is there stays as it is."""
    from botocore.exceptions import ClientError

    try:
        client().put_object(Bucket=place.bucket, Key=place.prefix, Body=body, IfNoneMatch="*")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _THERE:
            raise


def refusal(code: str) -> tuple[str, str]:
    """What an error code of S3's comes to, and what to do."""
    return f"S3 refuses with {code}", _FIXES.get(code, _ACCESS)


def unreached(error: BaseException) -> tuple[str, str]:
    """What a failure to reach S3 comes to, and what to do."""
    said = " ".join(str(error).split())[:150] or type(error).__name__
    return f"S3 cannot be reached ({said})", _REACH


@contextmanager
def told(where: object, kind: type[RecsysError]) -> Iterator[None]:
    """Make one sentence of what S3 says to `client`.

    Parameters
    ----------
    where
        The place at fault.
    kind
        The error that is raised.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        what, fix = refusal(code)
        raise kind(what, where=str(where), fix=fix) from error
    except (BotoCoreError, HTTPError, ConnectionError) as error:
        what, fix = unreached(error)
        raise kind(what, where=str(where), fix=fix) from error
