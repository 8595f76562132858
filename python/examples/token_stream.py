"""An agent that streams its answer to everybody who watches, token by token.

    pip install ringcast fastapi uvicorn
    uvicorn token_stream:app

`POST /runs {"prompt": …}` starts a run. Watchers subscribe to `run:{id}` and get `tokens` events
with the text since the last one, then `done`. Tokens that come close together travel together: a
model that is fast costs few events. Who was away recovers by his last offset; who has missed more
than history keeps gets `"recovered":false` and asks `GET /runs/{id}` for the text so far.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import ringcast
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

FLUSH_S = 0.02
FLUSH_CHARACTERS = 2000
RUNS_MAX = 1000

rc = ringcast.Engine(
    listen=os.environ.get("STREAM_REALTIME", "127.0.0.1:8800"),
    # A run's id is hard to guess, and whoever has it may watch.
    allow_anonymous=True,
    settings={
        "namespace.run.history_size": 2000,
        "namespace.run.recover_max": 2000,
        "namespace.run.history_ttl_s": 600,
        # For a bar on a page: who reads slowly needs the newest alone.
        "namespace.progress.slow_policy": "latest",
    },
)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Runs end, and say so, before the engine does."""
    yield
    running = [run.task for run in runs.values() if run.task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


app = FastAPI(lifespan=rc.wraps(lifespan))


@rc.authorize("run:{id}")
def may_watch(id: str) -> bool:
    return id in runs


async def model(prompt: str) -> AsyncIterator[str]:
    """Your model stands here: anything that yields pieces of text. This one says what it was told,
    word by word, at the speed of a quick one."""
    for word in prompt.split():
        await asyncio.sleep(0.002)
        yield word + " "


@dataclass
class Run:
    id: str
    prompt: str
    text: str = ""
    state: str = "running"
    # Where its stream stands: what `recover` takes. Never beyond `text`.
    position: dict[str, Any] | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "text": self.text,
            "state": self.state,
            "recover": self.position,
        }


runs: dict[str, Run] = {}


class Batches:
    """Pieces that arrive within FLUSH_S, as one text. A task reads the model, so that a slow
    publish lets more pieces come together instead of stopping the model."""

    def __init__(self, pieces: AsyncIterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._ended = False
        self._error: BaseException | None = None
        self._some = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[str]:
        reading = asyncio.create_task(self._read())
        try:
            while True:
                await self._some.wait()
                if not self._ended and len(self._text) < FLUSH_CHARACTERS:
                    await asyncio.sleep(FLUSH_S)
                text, self._text = self._text, ""
                if not self._ended:
                    self._some.clear()
                if text:
                    yield text
                elif self._ended:
                    break
            if self._error is not None:
                raise self._error
        finally:
            reading.cancel()

    async def _read(self) -> None:
        try:
            async for piece in self._pieces:
                self._text += piece
                self._some.set()
        except Exception as error:
            self._error = error
        finally:
            self._ended = True
            self._some.set()


async def perform(run: Run, ask: Callable[[str], AsyncIterator[str]] = model) -> None:
    try:
        async for text in Batches(ask(run.prompt)):
            # By `at` a watcher knows what he has already, and that nothing is missing before it.
            data = {"at": len(run.text), "text": text}
            run.text += text
            await publish(run, "tokens", data)
            rc.publish_nowait(f"progress:{run.id}", {"characters": len(run.text)}, key=run.id)
        run.state = "done"
        await publish(run, "done", {"characters": len(run.text)})
    except asyncio.CancelledError:
        run.state = "cancelled"
        await publish(run, "cancelled", {"characters": len(run.text)})
    except Exception as error:
        run.state = "failed"
        await publish(run, "failed", {"error": type(error).__name__})
        raise


async def publish(run: Run, event: str, data: dict[str, Any]) -> None:
    done = await rc.publish(f"run:{run.id}", data, event=event)
    run.position = {"epoch": done.epoch, "offset": done.offset}


class Prompt(BaseModel):
    prompt: str = Field(min_length=1, max_length=20_000)


@app.post("/runs")
async def start(asked: Prompt) -> dict[str, Any]:
    while len(runs) >= RUNS_MAX:
        oldest = runs.pop(next(iter(runs)))
        if oldest.task is not None:
            oldest.task.cancel()
    run = Run(secrets.token_urlsafe(16), asked.prompt)
    runs[run.id] = run
    # Whoever recovers from here has it from the first token on.
    await publish(run, "started", {})
    answer = {**run.shown(), "realtime": f"ws://{rc.address}/ws"}
    run.task = asyncio.create_task(perform(run))
    return answer


@app.get("/runs/{id}")
async def show(id: str) -> dict[str, Any]:
    return known(id).shown()


@app.delete("/runs/{id}")
async def cancel(id: str) -> dict[str, Any]:
    run = known(id)
    if run.task is not None:
        run.task.cancel()
    return {"id": run.id}


def known(id: str) -> Run:
    run = runs.get(id)
    if run is None:
        raise HTTPException(404, "there is no such run")
    return run
