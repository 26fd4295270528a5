"""The edge service as a process: one socket, one uvicorn server, no access log.

Access logs would hold raw user ids, which are part of the path; `/metrics` counts instead.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import click
import uvicorn

from recsys_batch.edge.app import EdgeApp
from recsys_batch.errors import SetupError

_BACKLOG = 2048
_SHUTDOWN_SECONDS = 5


def serve(
    home: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    user_key: Callable[[str], str],
    n: int = 10,
    max_age_seconds: int = 300,
    announce: Callable[[str], None] = click.echo,
) -> None:
    """Serve the live publication of `home` until the process is told to stop.

    Parameters
    ----------
    home
        The dataset's folder; it may have no publication yet.
    host, port
        Where to listen; port 0 picks a free one.
    user_key
        Maps the caller's user id to the key the lists are stored under.
    n
        Items answered when a request names no n.
    max_age_seconds
        How long a caller may reuse an answer.
    announce
        Told the URL once the port is bound.

    Raises
    ------
    SetupError
        The address cannot be bound.
    """
    app = EdgeApp(home, user_key=user_key, n=n, max_age_seconds=max_age_seconds)
    with bind(host, port) as listener:
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        name = f"[{host}]" if ":" in host else host
        announce(f"http://{name}:{listener.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listener])


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`, or raise `SetupError`."""
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SetupError(
            f"the address cannot be used ({error.strerror})",
            where=where,
            fix="name an address of this machine, such as 127.0.0.1",
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SetupError(
            f"the port cannot be bound ({error.strerror})",
            where=where,
            fix="stop what listens there, or choose another port (0 picks a free one)",
        ) from error
    return listener
