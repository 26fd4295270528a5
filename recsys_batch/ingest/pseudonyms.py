"""Pseudonyms: the keyed HMAC that replaces user ids from silver on.

The key comes from ``$RECSYS_BATCH_PSEUDONYM_KEY``, from the file that
``$RECSYS_BATCH_PSEUDONYM_KEY_FILE`` names, or from ``~/.config/recsys-batch/pseudonym.key``, which
is made on first use. Losing the key means losing the link between users and their lists.

While keys are changed (`recsys_batch.ingest.rotation`) the one before is the old key: from
``$RECSYS_BATCH_PSEUDONYM_KEY_OLD``, or from the key's file with ``.old`` after its name.
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

from recsys_batch.errors import ConfigError, LakeError
from recsys_batch.lake.ledger import read_rows

if TYPE_CHECKING:
    from pyspark.sql import Column

KEY_VARIABLE = "RECSYS_BATCH_PSEUDONYM_KEY"
FILE_VARIABLE = "RECSYS_BATCH_PSEUDONYM_KEY_FILE"
OLD_VARIABLE = "RECSYS_BATCH_PSEUDONYM_KEY_OLD"
ROTATING = ""  # what batches name as their key while tables move from one to another
_SHORTEST = 16
_REMEMBERED = 500_000  # pseudonyms that a task keeps, for ids that come again


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
        known: dict[str, str] = {}  # a task's own: it gets a copy that is empty

        def pseudonyms(ids: pa.Array) -> pa.Array:
            encoded = ids.dictionary_encode()
            distinct = encoded.dictionary.to_pylist()
            if len(known) > _REMEMBERED:
                known.clear()
            for each in distinct:
                if each not in known:
                    known[each] = hmac.digest(secret, each.encode(), "sha256").hex()
            keys = pa.array([known[each] for each in distinct], pa.string())
            return keys.take(encoded.indices)

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
    path = _key_file()
    if path.is_file():
        return _read(path), False
    if os.environ.get(FILE_VARIABLE) or not create:
        raise ConfigError(
            "there is no pseudonym key",
            where=str(path),
            fix=f"set ${KEY_VARIABLE}, or put the key there with mode 600",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _write_random(path)
    try:
        os.link(temporary, path)  # fails where another process was first
    except FileExistsError:
        return _read(path), False
    finally:
        temporary.unlink()
    return _read(path), True


def load_old_key() -> PseudonymKey:
    """The key before the current one.

    Raises
    ------
    ConfigError
        There is none, or it is not kept as a key must be.
    """
    value = os.environ.get(OLD_VARIABLE)
    if value is not None:
        return _checked(value, f"${OLD_VARIABLE}")
    path = _old_file(_key_file())
    if not path.is_file():
        raise ConfigError(
            "there is no old pseudonym key",
            where=str(path),
            fix=f"set ${OLD_VARIABLE}, or put the key before the current one there with mode 600",
        )
    return _read(path)


def change_key() -> PseudonymKey:
    """Put a new random key into the key's file, and keep the one before as the old key.

    Killed in the midst, it leaves the key as it was, and may be called again.

    Raises
    ------
    ConfigError
        The key is not kept in a file, or there is an old key already.
    """
    if KEY_VARIABLE in os.environ:
        raise ConfigError(
            "the pseudonym key is given by the environment",
            where=f"${KEY_VARIABLE}",
            fix=f"set the new key there yourself, and the one before in ${OLD_VARIABLE}",
        )
    path = _key_file()
    current, _ = load_key(create=False)
    old = _old_file(path)
    if not old.exists():
        os.link(path, old)
    elif _read(old).secret != current.secret:
        raise ConfigError(
            "there is an old pseudonym key already",
            where=str(old),
            fix="finish that change with `recsys-batch pseudonym rekey` of every data set, and "
            "destroy the file",
        )
    _write_random(path).replace(path)
    return _read(path)


def require_key(home: Path, key: PseudonymKey) -> None:
    """Refuse a key other than the lake's, under which its users would be strangers.

    Raises
    ------
    LakeError
        Batches were taken under another key, or a change of keys did not end.
    """
    for found in sorted({row["key_id"] for row in read_rows(home, "batches")} - {key.key_id}):
        raise LakeError(
            "a change of the pseudonym key began and did not end"
            if found == ROTATING
            else f"its pseudonyms are of the key {found}, and the key given is {key.key_id}",
            where=str(home),
            fix="give the key that it had, or move it to this one with `recsys-batch pseudonym "
            "rekey`",
        )


def _key_file() -> Path:
    named = os.environ.get(FILE_VARIABLE)
    return Path(named) if named else default_key_file()


def _old_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.old")


def _write_random(path: Path) -> Path:
    """Write a random key to a temporary file beside `path`, which only this user can read."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(secrets.token_hex(32) + "\n")
        out.flush()
        os.fsync(out.fileno())
    return temporary


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
