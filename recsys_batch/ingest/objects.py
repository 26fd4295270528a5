"""Landing in S3: listing a prefix, and objects that read like files.

Light to import, since Spark's Python workers do.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from recsys_batch.errors import LandingError
from recsys_batch.lake.s3 import S3Place, client, s3_place, told

_ATTEMPTS = 3
_BUFFER = 1 << 20


@dataclass(frozen=True)
class S3Object:
    """An object as it was listed; reading it fails where it was replaced since.

    Attributes
    ----------
    etag
        S3's name of its content.
    size
        Bytes.
    """

    bucket: str
    key: str
    etag: str
    size: int

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]

    def open(self, _mode: str = "rb") -> io.BufferedReader:
        """Return its bytes, as a file that can seek; `LandingError` where S3 refuses."""
        return io.BufferedReader(_Reader(self), _BUFFER)


@dataclass(frozen=True)
class S3Folder(S3Place):
    """A bucket, or what lies below a prefix of it, that files land in."""

    def objects(self) -> tuple[S3Object, ...]:
        """All objects below it.

        Raises
        ------
        LandingError
            The bucket is missing, credentials are missing or refused, or nobody answers.
        """
        below = f"{self.prefix}/" if self.prefix else ""
        with told(self, LandingError):
            pages = (
                client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=below)
            )
            listed = [each for page in pages for each in page.get("Contents", ())]
        return tuple(
            S3Object(self.bucket, each["Key"], each["ETag"].strip('"'), each["Size"])
            for each in listed
            if not each["Key"].endswith("/")  # what consoles make for an empty folder
        )


def s3_folder(address: str) -> S3Folder | None:
    """Read ``s3://BUCKET/PREFIX`` (or ``s3a://``); None where it is no such address."""
    place = s3_place(address)
    return S3Folder(place.bucket, place.prefix) if place else None


class _Reader(io.RawIOBase):
    """Bytes of an object from a position on, by one request until it is moved elsewhere."""

    def __init__(self, item: S3Object) -> None:
        self._item, self._at, self._body = item, 0, None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._item.size}[whence]
        if base + offset != self._at:
            self._at, self._body = base + offset, None
        return self._at

    def readinto(self, buffer: Any) -> int:
        from botocore.exceptions import HTTPClientError, ResponseStreamingError
        from urllib3.exceptions import HTTPError

        if self._at >= self._item.size or not len(buffer):
            return 0
        with told(self._item, LandingError):
            for left in reversed(range(_ATTEMPTS)):
                try:
                    block = self._stream().read(min(len(buffer), self._item.size - self._at))
                except (HTTPClientError, ResponseStreamingError, HTTPError, ConnectionError):
                    self._body = None
                    if not left:
                        raise
                else:
                    break
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)

    def _stream(self) -> Any:
        if self._body is None:
            self._body = client().get_object(
                Bucket=self._item.bucket,
                Key=self._item.key,
                IfMatch=self._item.etag,
                Range=f"bytes={self._at}-",
            )["Body"]
        return self._body
