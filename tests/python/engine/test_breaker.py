"""A handler that crashes again and again: app.crashes_per_minute_max, and what /readyz says."""
import asyncio
import json
import urllib.error
import urllib.request

from engine.conftest import connect, make_engine, run
from engine.test_calls import called


def fragile(**settings):
    """An engine whose handler `pay` crashes as long as `broken` is not empty."""
    engine = make_engine(settings=settings)
    broken = ["yes"]

    @engine.on("pay")
    async def pay():
        await asyncio.sleep(0)
        if broken:
            raise LookupError("no such account")
        return "paid"

    @engine.on("other")
    def other():
        return "answered"

    return engine, broken


async def ready(engine):
    def ask():
        try:
            with urllib.request.urlopen(f"http://{engine.address}/readyz") as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
    return await asyncio.to_thread(ask)


async def outcome(client, event):
    ack = await called(client, event)
    return ack.get("error") or ack["data"]


@run
async def test_beyond_its_limit_it_is_not_called_and_readiness_says_so():
    engine, _ = fragile(**{"app.crashes_per_minute_max": 2, "app.crash_pause_s": 3600})
    async with engine:
        client = await connect(engine)
        for _ in range(2):
            assert await outcome(client, "pay") == "INTERNAL_ERROR"
        assert await ready(engine) == (200, {"status": "ready", "reasons": []})
        assert await outcome(client, "pay") == "INTERNAL_ERROR"
        assert await ready(engine) == (
            503, {"status": "degraded", "reasons": ["handler crashes: pay"]})
        assert await outcome(client, "pay") == "UNAVAILABLE"
        assert await outcome(client, "other") == "answered"


@run
async def test_after_the_pause_it_is_ready_and_called_again():
    engine, broken = fragile(**{"app.crashes_per_minute_max": 1, "app.crash_pause_s": 1})
    async with engine:
        client = await connect(engine)
        for _ in range(2):
            assert await outcome(client, "pay") == "INTERNAL_ERROR"
        broken.clear()
        while (await ready(engine))[0] != 200:  # by itself, since nobody may come meanwhile
            await asyncio.sleep(0.05)
        assert await outcome(client, "pay") == "paid"


@run
async def test_without_a_limit_every_call_is_answered_by_it():
    engine, _ = fragile()
    async with engine:
        client = await connect(engine)
        for _ in range(50):
            assert await outcome(client, "pay") == "INTERNAL_ERROR"
        assert (await ready(engine))[0] == 200
