"""The engine's log in Python's: its lines are records of the logger `ringcast`."""
import asyncio
import logging
import threading

from engine.conftest import connect, make_engine, run, until


def lines(caplog):
    return [record for record in caplog.records if record.name == "ringcast"]


async def unknown(client, count=1):
    """Calls that nobody answers: the engine warns of them."""
    for n in range(count):
        client.send_json({"type": "call", "event": "nothing", "id": str(n)})
    for n in range(count):
        await asyncio.to_thread(client.receive, "ack", id=str(n))


@run
async def test_a_warning_of_the_engine_is_a_record_of_its_level_on_the_loops_thread(caplog, capfd):
    async with make_engine() as engine:
        await unknown(await connect(engine))
        await until(lambda: lines(caplog))
        (record,) = lines(caplog)
        assert record.levelno == logging.WARNING and "NOT_FOUND" in record.getMessage()
        assert record.thread == threading.get_ident()
    assert capfd.readouterr().err == ""


@run
async def test_the_level_of_the_engine_decides_what_comes(caplog):
    caplog.set_level(logging.DEBUG, "ringcast")
    async with make_engine(settings={"log.level": "error"}) as engine:
        await unknown(await connect(engine))
    assert lines(caplog) == []
    async with make_engine(settings={"log.level": "info"}):
        pass
    assert {record.levelno for record in lines(caplog)} >= {logging.INFO}


@run
async def test_what_is_said_at_the_end_comes_too(caplog):
    caplog.set_level(logging.DEBUG, "ringcast")
    async with make_engine(settings={"log.level": "debug"}) as engine:
        await connect(engine)
    assert "closed: " in caplog.text


@run
async def test_a_flood_that_nobody_reads_is_counted_and_holds_up_nobody(caplog):
    """While the loop is busy, the engine goes on and its lines wait: so many."""
    caplog.set_level(logging.DEBUG, "ringcast")
    async with make_engine(settings={"log.level": "debug", "log.lines_max": 4}) as engine:
        client = await connect(engine)
        for n in range(16):  # each refused token is a line of the level debug
            client.send_json({"type": "auth", "token": "x.y.z", "id": str(n)})
            client.receive("error", id=str(n))  # on the loop's thread, which does nothing else
        await until(lambda: "were lost" in caplog.text)
        shown = [line for line in lines(caplog) if "auth of a connection" in line.getMessage()]
        assert len(shown) <= 5
        assert "4 (log.lines_max)" in caplog.text and "x.y.z" not in caplog.text


@run
async def test_two_engines_of_a_process_say_each_thing_once(caplog):
    async with make_engine() as first, make_engine():
        await unknown(await connect(first))
        await until(lambda: lines(caplog))
    async with make_engine() as again:
        caplog.clear()
        await unknown(await connect(again))
        await until(lambda: lines(caplog))
        assert len(lines(caplog)) == 1
