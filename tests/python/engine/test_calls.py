"""What clients call and Python answers, with real sockets."""
import asyncio
import dataclasses
import datetime
import logging
import pickle

import jwt
import msgspec
import pydantic
import pytest
from typing import TypedDict

import ringcast
from engine.conftest import connect, make_engine, run, until
from ringcast import JWT, Context, Identity, Rate, Reject
from support.native_client import ConnectionEnded

SECRET = "s" * 32


def signed_in(user, **rooms):
    return jwt.encode({"sub": user, "exp": 4_000_000_000, "rooms": rooms}, SECRET)


async def called(client, event, data=None, id="1", **fields):
    """The ack of a call."""
    client.send_json({"type": "call", "event": event, "data": data, "id": id, **fields})
    return await asyncio.to_thread(client.receive, "ack", id=id)


class Struct(msgspec.Struct):
    chat: str
    n: int = 0


class Model(pydantic.BaseModel):
    chat: str
    n: int = 0


@dataclasses.dataclass
class Plain:
    chat: str
    n: int = 0


class Typed(TypedDict):
    chat: str
    n: int


@pytest.mark.parametrize("kind", [Struct, Model, Plain, Typed])
def test_a_typed_payload_is_decoded_and_its_mistakes_are_answered(kind):
    async def test():
        engine = make_engine()

        def handler(ctx: Context, data: kind):
            return {"is": isinstance(data, dict if kind is Typed else kind),
                    "n": data["n"] if kind is Typed else data.n}

        handler.__annotations__["data"] = kind
        engine.on("send")(handler)
        async with engine:
            client = await connect(engine)
            ack = await called(client, "send", {"chat": "a", "n": 7})
            assert ack["ok"] is True and ack["data"] == {"is": True, "n": 7}
            ack = await called(client, "send", {"chat": 5, "n": 1})
            assert (ack["ok"], ack["error"]) == (False, "VALIDATION_ERROR")
            assert "chat" in ack["fields"] and ack["correlationId"]

    asyncio.run(test())


@run
async def test_the_context_says_who_calls_and_what_he_has_joined():
    engine = make_engine(auth=JWT(secret=SECRET), allow_anonymous=False)
    seen = []

    @engine.on("who")
    async def who(ctx: Context):
        seen.append(ctx)
        await asyncio.sleep(0)
        return {"user": ctx.user, "joined": ctx.joined("chat:1"), "rooms": sorted(ctx.rooms)}

    async with engine:
        client = await connect(engine, "chat:1", token=signed_in("ann", subscribe=["*"]))
        ack = await called(client, "who")
        assert ack["data"] == {"user": "ann", "joined": True, "rooms": ["chat:1"]}
        client.send_json({"type": "unsubscribe", "room": "chat:1", "id": "u"})
        await asyncio.to_thread(client.receive, "unsubscribed")
        assert (await called(client, "who"))["data"]["rooms"] == []
        other = await connect(engine, token=signed_in("ann", subscribe=["*"]))
        await called(other, "who")
        assert seen[0].connection == seen[1].connection != seen[2].connection
        assert seen[0].correlation_id != seen[1].correlation_id
        now = datetime.datetime.now(datetime.timezone.utc)
        assert abs(now - seen[0].time) < datetime.timedelta(minutes=5)
        assert len(seen[0].rooms) == 1 and "chat:2" not in seen[0].rooms
        away = pickle.loads(pickle.dumps(seen[0]))
        for name in ("event", "user", "connection", "correlation_id", "idempotency_key", "time"):
            assert getattr(away, name) == getattr(seen[0], name)
        assert away.event == "who" and away.rooms == {"chat:1"} and repr(away) == repr(seen[0])
        with pytest.raises(AttributeError):
            seen[0].user = "bob"


@run
async def test_a_handler_publishes_and_answers_with_what_became_of_it():
    engine = make_engine()

    @engine.on("message:send", order="chat:{chat}")
    async def send(ctx: Context, data: Struct):
        return await engine.publish(f"chat:{data.chat}", data, event="message:new",
                                    idempotency_key=ctx.idempotency_key)

    async with engine:
        client = await connect(engine, "chat:1")
        for n in range(20):
            client.send_json({"type": "call", "event": "message:send", "id": str(n),
                              "data": {"chat": "1", "n": n}})
        events = await asyncio.to_thread(client.events, 20)
        assert [event["data"]["n"] for event in events] == list(range(20))
        ack = await asyncio.to_thread(client.receive, "ack", id="19")
        assert ack["data"]["id"] == events[19]["id"] and ack["data"]["offset"] == 20


@run
async def test_an_exception_is_answered_and_the_connection_stays(caplog):
    engine = make_engine()

    class Domain(Exception):
        pass

    @engine.on("fails")
    def fails(data: dict):
        raise {"key": KeyError("secret"), "domain": Domain("late"),
               "reject": Reject("FORBIDDEN", "not yours"),
               "own": Reject("SEAT_TAKEN", "by bob", {"seat": "is taken"})}[data["how"]]

    @engine.exception_handler(Domain)
    def translate(error):
        return Reject("CONFLICT", str(error))

    async with engine:
        client = await connect(engine)
        with caplog.at_level(logging.ERROR, "ringcast"):
            ack = await called(client, "fails", {"how": "key"})
        assert ack["error"] == "INTERNAL_ERROR" and "secret" not in ack["message"]
        assert ack["correlationId"] in caplog.text and "secret" in caplog.text
        assert (await called(client, "fails", {"how": "domain"}))["error"] == "CONFLICT"
        ack = await called(client, "fails", {"how": "reject"})
        assert (ack["error"], ack["message"]) == ("FORBIDDEN", "not yours")
        ack = await called(client, "fails", {"how": "own"})
        assert (ack["error"], ack["message"], ack["fields"]) == (
            "SEAT_TAKEN", "by bob", {"seat": "is taken"})
        assert (await called(client, "nothing"))["error"] == "NOT_FOUND"


@run
async def test_a_repeat_with_its_idempotency_key_runs_once():
    engine = make_engine()
    ran = []

    @engine.on("pay")
    async def pay(data: int):
        ran.append(data)
        await asyncio.sleep(0.05)
        return len(ran)

    async with engine:
        client = await connect(engine)
        for id in ("1", "2"):  # the second comes while the first runs
            client.send_json({"type": "call", "event": "pay", "data": 5, "id": id,
                              "idempotencyKey": "k"})
        acks = [await asyncio.to_thread(client.receive, "ack", id=id) for id in ("1", "2")]
        assert [ack["data"] for ack in acks] == [1, 1] and ran == [5]
        assert (await called(client, "pay", 5, "3", idempotencyKey="k"))["data"] == 1
        assert (await called(client, "pay", 6, "4", idempotencyKey="k"))["error"] == "CONFLICT"
        assert ran == [5]


@run
async def test_rates_of_connections_and_users():
    engine = make_engine(auth=JWT(secret=SECRET), allow_anonymous=False)
    engine.on("a", rate=Rate(2, 60))(lambda: 1)
    engine.on("b", user_rate=Rate(2, 60, "bucket"))(lambda: 1)
    async with engine:
        clients = [await connect(engine, token=signed_in("ann")) for _ in range(2)]
        for client in clients:
            assert [(await called(client, "a")).get("error") for _ in range(3)] == [
                None, None, "RATE_LIMITED"]
        assert [(await called(client, "b")).get("error") for client in clients * 2] == [
            None, None, "RATE_LIMITED", "RATE_LIMITED"]


@run
async def test_rooms_are_authorized_by_the_application():
    engine = make_engine()
    asked = []

    @engine.authorize("chat:{chat_id}")
    async def may(ctx: Context, chat_id):
        asked.append(chat_id)
        if chat_id == "raises":
            raise LookupError("x")
        return chat_id == "open"

    async with engine:
        client = await connect(engine, "chat:open", "other:1")
        for room, code in (("chat:closed", "FORBIDDEN"), ("chat:a:b", "FORBIDDEN"),
                           ("chat:raises", "INTERNAL_ERROR")):
            client.send_json({"type": "subscribe", "room": room, "id": room})
            assert (await asyncio.to_thread(client.receive, "error", id=room))["code"] == code
        assert asked == ["open", "closed", "raises"]


@run
async def test_a_session_token_is_the_applications_and_connect_and_disconnect_are_told():
    engine = make_engine(auth=JWT(secret=SECRET), allow_anonymous=False)
    told = []

    @engine.session_token
    async def whose(token):
        if token == "good":
            return Identity("ann", subscribe=["chat:*"])
        if token == "wrong":
            return Identity("a b", subscribe=["chat:*"])
        return None

    @engine.on_connect
    def connects(ctx: Context):
        told.append(("connect", ctx.user))
        return ctx.user != "mallory"

    @engine.on_disconnect
    def gone(ctx: Context, reason):
        told.append(("disconnect", ctx.user, bool(reason)))

    async with engine:
        client = await connect(engine, "chat:1", token="good")
        client.send_json({"type": "subscribe", "room": "other:1", "id": "o"})
        assert (await asyncio.to_thread(client.receive, "error", id="o"))["code"] == "FORBIDDEN"
        client.close()
        for token in ("bad", "wrong"):
            with pytest.raises(Exception):
                await connect(engine, token=token)
        with pytest.raises((ConnectionEnded, AssertionError)):
            await connect(engine, token=signed_in("mallory"))
        await until(lambda: ("disconnect", "ann", True) in told)
        assert ("connect", "mallory") in told


@run
async def test_a_handler_that_answers_too_late_is_unavailable():
    engine = make_engine(settings={"app.answer_ms": 50})
    ended = asyncio.Event()

    @engine.on("slow")
    async def slow():
        await asyncio.sleep(0.3)
        ended.set()

    async with engine:
        client = await connect(engine)
        assert (await called(client, "slow"))["error"] == "UNAVAILABLE"
        await ended.wait()
        assert (await called(client, "nothing"))["error"] == "NOT_FOUND"


@run
async def test_the_end_answers_what_still_runs():
    engine = make_engine()

    @engine.on("quick")
    async def quick():
        begun.set()
        await asyncio.sleep(0.05)
        return "done"

    async with engine:
        begun = asyncio.Event()
        client = await connect(engine)
        client.send_json({"type": "call", "event": "quick", "id": "1"})
        await begun.wait()
        answer = asyncio.create_task(asyncio.to_thread(client.receive, "ack", id="1"))
    assert (await answer)["data"] == "done"


@pytest.mark.parametrize("register, text", [
    (lambda engine: engine.on("")(lambda: 1), "event"),
    (lambda engine: engine.on("a", rate=Rate(0))(lambda: 1), "rate"),
    (lambda engine: engine.authorize("a*b")(lambda: True), "pattern")])
def test_what_the_engine_will_not_have_is_named_at_the_start(register, text):
    async def test():
        engine = make_engine()
        register(engine)
        with pytest.raises(ringcast.ValidationError, match=text):
            await engine.start()

    asyncio.run(test())


def test_handlers_are_registered_once_and_before_the_start():
    async def test():
        engine = make_engine()
        engine.on("a")(lambda: 1)
        with pytest.raises(ringcast.ValidationError, match="handler already"):
            engine.on("a")
        async with engine:
            with pytest.raises(ringcast.RingcastError, match="before it starts"):
                engine.on("b")
        with pytest.raises(ringcast.RingcastError, match="belong to the process"):
            ringcast.Engine.attach("http://127.0.0.1:1", api_key="k").on("a")

    asyncio.run(test())
