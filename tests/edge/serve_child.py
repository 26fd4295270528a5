"""A server process; user ids are keys already, except ids that begin with `boom`, which fail."""

import logging
import sys
from pathlib import Path

from recsys_batch.edge.service import serve


def user_key(user: str) -> str:
    if user.startswith("boom"):
        raise ValueError(f"cannot map {user}")
    return user


logging.basicConfig(level=logging.INFO)


def announce(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


serve(
    Path(sys.argv[1]),
    port=int(sys.argv[2]),
    user_key=user_key,
    announce=announce,
)
