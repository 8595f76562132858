"""A chat: clients call, the service answers, rooms receive in one order.

    pip install ringcast fastapi uvicorn msgspec
    uvicorn chat:app

What clients send over their WebSocket, each with an `id` that the answer repeats:

    {"type":"call","event":"chat:open","data":{"chat":"7"}}           the newest messages, and where
    {"type":"subscribe","room":"chat:7","recover":{…}}                they end: live ones follow
    {"type":"call","event":"message:send","data":{"chat":"7","client_id":"a1","body":"hi"}}

A message is shown once although its sender repeats the call after a lost answer (`client_id`),
and messages of one chat are handled one after the other.
"""

import os
import secrets
from typing import Annotated, Any

import msgspec
import ringcast
from fastapi import FastAPI, HTTPException
from msgspec import Meta
from pydantic import BaseModel

NEWEST = 50

rc = ringcast.Engine(
    listen=os.environ.get("CHAT_REALTIME", "127.0.0.1:8800"),
    settings={
        "namespace.chat.history_size": 1000,
        "namespace.chat.history_ttl_s": 86_400,
        "namespace.chat.dedupe_window_s": 3600,
    },
)
app = FastAPI(lifespan=rc.lifespan)

# Where your database stands.
sessions: dict[str, str] = {}
chats: dict[str, set[str]] = {}

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.~-]{1,120}$")]


class Send(msgspec.Struct):
    chat: Name
    client_id: Annotated[str, Meta(min_length=1, max_length=64)]
    body: Annotated[str, Meta(min_length=1, max_length=4000)]


class Open(msgspec.Struct):
    chat: Name


class Older(msgspec.Struct):
    chat: Name
    epoch: str
    after: int


class Typing(msgspec.Struct):
    chat: Name


class NotMember(Exception):  # noqa: N818
    pass


# ---- who asks ----


@rc.session_token
def identity(token: str) -> ringcast.Identity | None:
    user = sessions.get(token)
    return None if user is None else ringcast.Identity(user)


@rc.authorize("chat:{chat}")
def may_read(ctx: ringcast.Context, chat: str) -> bool:
    return ctx.user in chats.get(chat, ())


@rc.exception_handler(NotMember)
def refused(error: NotMember) -> ringcast.Reject:
    return ringcast.Reject("FORBIDDEN", f"you are no member of the chat {error}")


@rc.exception_handler(ringcast.Conflict)
def used(error: ringcast.Conflict) -> ringcast.Reject:
    return ringcast.Reject("CONFLICT", "this client_id stands for another message")


def check_member(ctx: ringcast.Context, chat: str) -> str:
    if ctx.user not in chats.get(chat, ()):
        raise NotMember(chat)
    return f"chat:{chat}"


# ---- what clients call ----


@rc.on("chat:open")
async def open_chat(ctx: ringcast.Context, asked: Open) -> dict[str, Any]:
    """The newest messages, and the position behind them: subscribe with `recover` from there, and
    nothing is missing and nothing comes twice."""
    history = await rc.history(check_member(ctx, asked.chat), limit=NEWEST)
    return shown(history)


@rc.on("chat:after")
async def chat_after(ctx: ringcast.Context, asked: Older) -> dict[str, Any]:
    """Page by page what came after a position: for who was away longer than `recover` bridges."""
    position = ringcast.Position(asked.epoch, asked.after)
    return shown(await rc.history(check_member(ctx, asked.chat), after=position, limit=NEWEST))


@rc.on("message:send", order="chat:{chat}", user_rate=ringcast.Rate(20, 10))
async def send(ctx: ringcast.Context, message: Send) -> dict[str, Any]:
    room = check_member(ctx, message.chat)
    if not ctx.joined(room):
        raise ringcast.Reject("FORBIDDEN", "subscribe to the chat before you write into it")
    # A repeat gets the first answer. What is published must be the same then, so no time is in it:
    # every message has its own anyway.
    done = await rc.publish(
        room,
        {"from": ctx.user, "body": message.body, "clientId": message.client_id},
        event="message:new",
        idempotency_key=f"{ctx.user}:{message.client_id}",
    )
    return {"id": done.id, "offset": done.offset}


@rc.on("message:typing", rate=ringcast.Rate(1))
def typing(ctx: ringcast.Context, message: Typing) -> None:
    """Shown to the others, kept nowhere; more than one a second are refused, which nobody minds."""
    check_member(ctx, message.chat)
    rc.publish_nowait(
        f"typing:{message.chat}", {"user": ctx.user}, event="typing", exclude_user=ctx.user
    )


@rc.authorize("typing:{chat}")
def may_see_typing(ctx: ringcast.Context, chat: str) -> bool:
    return ctx.user in chats.get(chat, ())


def shown(history: ringcast.History) -> dict[str, Any]:
    messages = [
        {"id": each.id, "offset": each.offset, "time": each.time.isoformat(), **each.json()}
        for each in history.messages
    ]
    position = history.position
    if history.after is not None and position is not None:
        position = ringcast.Position(position.epoch, history.after)
    return {
        "messages": messages,
        "recover": None if position is None else position._asdict(),
        "complete": history.complete,
        "more": history.after is not None,
    }


# ---- the service's own doors ----


class Login(BaseModel):
    user: str


class NewChat(BaseModel):
    id: str
    users: list[str]


@app.post("/login")
async def login(who: Login) -> dict[str, str]:
    """Your own check of a password stands here."""
    token = secrets.token_urlsafe(24)
    sessions[token] = who.user
    return {"token": token, "realtime": f"ws://{rc.address}/ws"}


@app.post("/chats")
async def make_chat(new: NewChat) -> dict[str, int]:
    if new.id in chats:
        raise HTTPException(409, "this chat is there already")
    chats[new.id] = set(new.users)
    return {"users": len(new.users)}
