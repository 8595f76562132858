"""`python -m ringcast run`: one ringcastd, and uvicorn with its workers, from start to end.

Each is in a session of its own, so that Ctrl-C of a terminal comes here alone and they end in
order; should this process be killed, the kernel stops both.
"""

import asyncio
import contextlib
import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import sys
import sysconfig
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

__all__ = ["run"]

# What uvicorn has for its end when ringcastd is gone; else it takes the time that it likes.
STOP_S = 10.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def run(daemon: Sequence[str], uvicorn: Sequence[str]) -> int:
    """With these arguments of each, until one of them ends. Returns the exit code."""
    if importlib.util.find_spec("uvicorn") is None:
        return _failed("uvicorn is not installed: pip install 'ringcast[run]'")
    # The one that came with the package, else any.
    places = [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
    program = shutil.which("ringcastd", path=os.pathsep.join(places))
    if program is None:
        return _failed(
            "there is no ringcastd, neither beside this Python nor on PATH: pip install ringcast,"
            " or put its folder on PATH"
        )
    with tempfile.TemporaryDirectory(prefix="ringcast-") as folder:
        command = [program, "serve", *daemon, "--set", f"listen.unix={folder}/ringcast.sock"]
        server = [sys.executable, "-m", "uvicorn", *uvicorn]
        return asyncio.run(_Run(f"unix:{folder}/ringcast.sock").until_the_end(command, server))


class _Run:
    """The two processes. Thread: the loop's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._key = secrets.token_urlsafe(32)
        self._asked = 0  # the last signal
        self._next: Process | None = None  # who is to end next, and so is told of signals

    async def until_the_end(self, daemon_command: list[str], server_command: list[str]) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._ask, number)
        keys = filter(None, (self._key, os.environ.get("RINGCAST_AUTH_API_KEYS")))
        daemon = await _start(daemon_command, {"RINGCAST_AUTH_API_KEYS": ",".join(keys)}, PIPE)
        try:
            self._tell(daemon)
            assert daemon.stdout is not None
            line = await daemon.stdout.readline()  # it accepts connections now, or has ended
            if self._asked or not line:
                return self._code("ringcastd", await _end(daemon))
            print(f"ringcastd is {line.decode().strip()}", flush=True)
            self._next = None
            uvicorn = await _start(
                server_command, {"RINGCAST_URL": self._url, "RINGCAST_API_KEY": self._key}
            )
            self._tell(uvicorn)
            return await self._both(daemon, uvicorn)
        finally:
            self._next = daemon
            await _end(daemon)

    async def _both(self, daemon: Process, uvicorn: Process) -> int:
        ends = [asyncio.ensure_future(each.wait()) for each in (daemon, uvicorn)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        alone = ends[0].done()
        if alone:
            _failed(f"ringcastd ended by itself ({ends[0].result()}), so uvicorn is stopped")
            _send(uvicorn, signal.SIGTERM)
            await asyncio.wait(ends[1:], timeout=STOP_S)
        if uvicorn.returncode is None or uvicorn.returncode < 0:
            # Its workers may be left.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(uvicorn.pid, signal.SIGKILL)
        code = await ends[1]
        return 1 if alone else self._code("uvicorn", code)

    def _tell(self, process: Process) -> None:
        self._next = process
        if self._asked:
            _send(process, self._asked)

    def _ask(self, number: int) -> None:
        self._asked = number
        if self._next is not None:
            _send(self._next, number)

    def _code(self, name: str, code: int) -> int:
        """As a shell has it; but who ends by the signal that was asked for has done as told."""
        if code < 0 and -code != self._asked:
            _failed(f"{name} was ended by signal {-code}")
            return 128 - code
        return max(code, 0)


async def _start(
    command: list[str], environment: dict[str, str], stdout: int | None = None
) -> Process:
    return await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdout=stdout,
        start_new_session=True,
        preexec_fn=lambda: _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
    )


async def _end(process: Process) -> int:
    _send(process, signal.SIGTERM)
    return await process.wait()


def _send(process: Process, number: int) -> None:
    # Process.send_signal() may take the exit code away from whoever waits for it.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _failed(text: str) -> int:
    print(f"python -m ringcast: {text}", file=sys.stderr, flush=True)
    return 1
