"""Versions swapped and servers killed under load: no 5xx, no mixture, one version in a second."""

import asyncio
import os
import signal
import time

import httpx

from recsys_batch.edge.rollback import promote, rollback
from recsys_batch.publish import audit

from .samples import AT, build, server

LOADERS = 8


def one_version(answer):
    """Return the publication of an answer, having checked that all of it is of that one."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    publication = body["publication"]
    assert answer.headers["x-publication"] == publication
    assert answer.headers["etag"] == f'"{publication}-{body["level"]}-5"'
    assert len(body["items"]) == 5
    for item in body["items"]:
        assert item["item_id"].startswith(f"{publication}-")
        assert item["reason"] == f"taste of {publication}"
    return publication


async def load(url, seen, stop, user):
    """Ask without pause; note when each answer was asked for and what it was."""
    async with httpx.AsyncClient(base_url=url) as client:
        while not stop.is_set():
            asked = time.monotonic()
            answer = await client.get(f"/v1/recommendations/{user:06d}", params={"n": 5})
            seen.append((asked, one_version(answer)))


async def under_load(url, act):
    """Run `act` in the middle of a load and return what was seen and what `act` returned."""
    seen, stop = [], asyncio.Event()
    loaders = [asyncio.create_task(load(url, seen, stop, user)) for user in range(LOADERS)]
    await asyncio.sleep(0.3)
    result = await act()
    stop.set()
    await asyncio.gather(*loaders)
    return seen, result


def test_swapping_under_load_never_mixes_and_never_fails(tmp_path):
    for name in ("p1", "p2", "p3"):
        build(tmp_path, name)
    promote(tmp_path, "p1", actor="job", at=AT)

    async def swap():
        for name in ("p2", "p3", "p1", "p2", "p3"):
            await asyncio.to_thread(promote, tmp_path, name, actor="job", at=AT)
            await asyncio.sleep(0.5)

    with server(tmp_path) as (url, _):
        seen, _ = asyncio.run(under_load(url, swap))
    assert {publication for _, publication in seen} == {"p1", "p2", "p3"}
    assert len(seen) > 200


def test_a_rollback_under_load_is_everywhere_in_seconds_and_audited(tmp_path):
    """Within one second where nothing else runs, which `benchmarks.speed.edge` holds it to."""
    seconds = 3
    for name in ("p1", "p2"):
        build(tmp_path, name)
        promote(tmp_path, name, actor="job", at=AT)

    async def back():
        began = time.monotonic()
        await asyncio.to_thread(rollback, tmp_path, to=None, actor="me", at=AT)
        await asyncio.sleep(seconds + 0.3)
        return began

    with server(tmp_path) as (first, _), server(tmp_path) as (second, _):
        for url in (first, second):
            promote(tmp_path, "p2", actor="job", at=AT)
            time.sleep(0.5)
            seen, began = asyncio.run(under_load(url, back))
            before = {publication for asked, publication in seen if asked < began}
            after = {publication for asked, publication in seen if asked > began + seconds}
            assert (before, after) == ({"p2"}, {"p1"})
    last = audit.records(tmp_path)[-1]
    assert (last["action"], last["subject"], last["actor"]) == ("rollback", "p1", "me")
    assert audit.verify(tmp_path).lines == 5


def test_a_killed_server_does_not_touch_the_other_and_comes_back_on_its_port(tmp_path):
    build(tmp_path, "p1")
    promote(tmp_path, "p1", actor="job", at=AT)
    with server(tmp_path) as (survivor, _):
        with server(tmp_path) as (victim, pid):
            one_version(httpx.get(f"{victim}/v1/recommendations/000001?n=5"))

            async def kill():
                os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(0.5)

            seen, _ = asyncio.run(under_load(survivor, kill))
            assert {publication for _, publication in seen} == {"p1"}
        with server(tmp_path, port=int(victim.rsplit(":", 1)[1])) as (again, _):
            assert again == victim
            one_version(httpx.get(f"{again}/v1/recommendations/000001?n=5"))
