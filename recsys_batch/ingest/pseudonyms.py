"""Pseudonyms: the keyed HMAC that replaces user ids from silver on.

The key comes from ``$RECSYS_BATCH_PSEUDONYM_KEY``, from the file that
``$RECSYS_BATCH_PSEUDONYM_KEY_FILE`` names, or from ``~/.config/recsys-batch/pseudonym.key``, which
is made on first use. Losing the key means losing the link between users and their lists.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_batch.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import Column

KEY_VARIABLE = "RECSYS_BATCH_PSEUDONYM_KEY"
FILE_VARIABLE = "RECSYS_BATCH_PSEUDONYM_KEY_FILE"
_SHORTEST = 16


@dataclass(frozen=True)
class PseudonymKey:
    """A secret and its public name.

    Attributes
    ----------
    secret
        At least 16 bytes; never printed.
    origin
        Where it came from, for messages.
    """

    secret: bytes = field(repr=False)
    origin: str

    @property
    def key_id(self) -> str:
        """Public name of the secret: 8 hex digits of an HMAC under it."""
        return hmac.digest(self.secret, b"recsys-batch key id", "sha256").hex()[:8]

    def user_key(self, user_id: str) -> str:
        """HMAC-SHA256 of the UTF-8 bytes of a user id, 64 hex digits (RFC 2104)."""
        return hmac.digest(self.secret, user_id.encode(), "sha256").hex()

    def column(self, user_id: Column) -> Column:
        """The pseudonyms of a column of user ids; null stays null.

        A function and not a SQL expression, since plans are logged and must not hold the secret.
        """
        import pyarrow as pa
        from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]  # not in its stubs

        secret = self.secret

        def pseudonyms(ids: pa.Array) -> pa.Array:
            known: dict[str, str] = {}
            out: list[str | None] = []
            for each in ids.to_pylist():
                if each is None:
                    out.append(None)
                    continue
                key = known.get(each)
                if key is None:
                    key = known[each] = hmac.digest(secret, each.encode(), "sha256").hex()
                out.append(key)
            return pa.array(out, pa.string())

        pseudonyms.__annotations__ = {"ids": pa.Array, "return": pa.Array}
        made: Column = arrow_udf(pseudonyms, "string")(user_id)
        return made


def default_key_file() -> Path:
    """The key file used where the environment names none."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "recsys-batch" / "pseudonym.key"


def load_key(*, create: bool) -> tuple[PseudonymKey, bool]:
    """Return the key, and whether it was made just now.

    Parameters
    ----------
    create
        Make a key in the default file where there is none; otherwise that is an error.

    Raises
    ------
    ConfigError
        The key is missing, no text, shorter than 16 bytes, or its file can be read by others.
    """
    value = os.environ.get(KEY_VARIABLE)
    if value is not None:
        return _checked(value, f"${KEY_VARIABLE}"), False
    named = os.environ.get(FILE_VARIABLE)
    path = Path(named) if named else default_key_file()
    if path.is_file():
        return _read(path), False
    if named or not create:
        raise ConfigError(
            "there is no pseudonym key",
            where=str(path),
            fix=f"set ${KEY_VARIABLE}, or put the key there with mode 600",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(secrets.token_hex(32) + "\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(temporary, path)  # fails where another process was first
    except FileExistsError:
        return _read(path), False
    finally:
        temporary.unlink()
    return _read(path), True


def _read(path: Path) -> PseudonymKey:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"the pseudonym key can be read by others (mode {mode:o})",
            where=str(path),
            fix=f"chmod 600 {path}",
        )
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (UnicodeDecodeError, OSError) as error:
        raise ConfigError(
            f"the pseudonym key is not text that can be read ({type(error).__name__})",
            where=str(path),
            fix="write the key as text, such as the output of `openssl rand -hex 32`",
        ) from None  # the cause would show the key's bytes
    return _checked(value, str(path))


def _checked(value: str, origin: str) -> PseudonymKey:
    if len(value.encode()) < _SHORTEST:
        raise ConfigError(
            f"the pseudonym key has fewer than {_SHORTEST} bytes",
            where=origin,
            fix="use a long random value, such as the output of `openssl rand -hex 32`",
        )
    return PseudonymKey(value.encode(), origin)


def content_digest(*parts: str) -> str:
    """SHA-256 (hex) of text parts, each with its length, so that no two lists of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()
