"""Forks, threads, signals and the end of the interpreter. Each test is a program of its own: it has
to end by itself, with the exit code that it says, and without a word of a sanitizer."""
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

from support.daemon import SANITIZER_MARKS

END_S = 120
pytestmark = pytest.mark.timeout(400)
PRELUDE = """
import asyncio, multiprocessing, os, signal, socket, sys, threading, time
from ringcast import Engine, EngineClosed, ForkedEngineError

def make(listen="127.0.0.1:0"):
    return Engine(listen=listen, allow_anonymous=True, deadline=1.0)

def free_to_bind(address):
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return False
        return True
"""


def program(folder, text):
    path = pathlib.Path(folder) / "program.py"
    path.write_text(PRELUDE + textwrap.dedent(text))
    return [sys.executable, str(path)]


def ends(folder, text, code=0, signal_at=None, arguments=()):
    """What the program has printed; `signal_at`: (line that it prints, signal to send then)."""
    process = subprocess.Popen([*program(folder, text), *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        if signal_at is not None:
            while signal_at[0] not in said:
                line = process.stdout.readline()
                assert line, process.communicate(timeout=END_S)[1]
                said += line
            process.send_signal(signal_at[1])
        out, errors = process.communicate(timeout=END_S)
    finally:
        process.kill()
    assert not any(mark in errors for mark in SANITIZER_MARKS), errors
    assert process.returncode == code, f"exit code {process.returncode}\n{said}{out}\n{errors}"
    return said + out, errors


def test_the_end_of_the_interpreter_with_a_live_engine(tmp_path):
    said, _ = ends(tmp_path, """
        loop = asyncio.new_event_loop()
        engine = make()
        loop.run_until_complete(engine.start())
        loop.run_until_complete(engine.publish("chat:1", 1))
        print(threading.active_count(), "threads")
    """)
    assert "threads" in said


def test_the_end_of_the_interpreter_inside_of_the_block(tmp_path):
    ends(tmp_path, """
        async def main():
            async with make() as engine:
                engine.publish_nowait("chat:1", 1)
                sys.exit(3)
        asyncio.run(main())
    """, code=3)


def test_an_exception_that_leaves_the_block_stops_the_engine(tmp_path):
    _, errors = ends(tmp_path, """
        async def main():
            async with make() as engine:
                raise LookupError("mine")
        asyncio.run(main())
    """, code=1)
    assert "LookupError: mine" in errors


def test_keyboard_interrupt_stops_it(tmp_path):
    _, errors = ends(tmp_path, """
        async def main():
            async with make() as engine:
                try:
                    print("runs", flush=True)
                    await asyncio.sleep(60)
                finally:
                    print("cancelled")
        asyncio.run(main())
    """, code=-signal.SIGINT, signal_at=("runs", signal.SIGINT))
    assert "KeyboardInterrupt" in errors


def test_signals_are_the_applications(tmp_path):
    said, _ = ends(tmp_path, """
        async def main():
            stop = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
            async with make() as engine:
                print("runs", flush=True)
                await stop.wait()
            print("stopped")
        asyncio.run(main())
    """, signal_at=("runs", signal.SIGTERM))
    assert "stopped" in said


def test_the_child_of_a_fork_is_told_what_to_do_and_the_parent_goes_on(tmp_path):
    said, _ = ends(tmp_path, """
        async def main():
            async with make() as engine, engine.subscribe("chat:1") as messages:
                kept = engine.publish_nowait
                child = os.fork()
                if child == 0:
                    for publish in (kept, engine.publish_nowait):
                        try:
                            publish("chat:1", 1)
                        except ForkedEngineError as error:
                            print(error, flush=True)
                        else:
                            os._exit(1)
                    os._exit(7)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
                await engine.publish("chat:1", 2)
                assert (await messages.__anext__()).json() == 2
        asyncio.run(main())
    """)
    assert "in the worker" in said


def test_a_child_holds_neither_the_port_nor_the_clients_of_its_parent(tmp_path):
    ends(tmp_path, """
        async def main():
            engine = make()
            await engine.start()
            host, port = engine.address.rsplit(":", 1)
            client = socket.create_connection((host, int(port)))
            client.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            client.recv(100)
            kept, closing = os.pipe()
            child = os.fork()
            if child == 0:
                client.close()
                os.close(closing)
                os.read(kept, 1)
                os._exit(0)
            address = engine.address
            await engine.close()
            client.settimeout(60)
            while client.recv(1000): pass      # the connection has ended, though the child lives
            assert free_to_bind(address)
            os.close(closing)
            os.waitpid(child, 0)
        asyncio.run(main())
    """)


def test_a_child_may_start_the_engine_itself(tmp_path):
    ends(tmp_path, """
        engine = make()

        async def use():
            async with engine:
                async with engine.subscribe("chat:1") as messages:
                    await engine.publish("chat:1", os.getpid())
                    assert (await messages.__anext__()).json() == os.getpid()

        async def parent():
            async with engine:
                child = os.fork()
                if child == 0:
                    os._exit(0 if child_uses() else 1)
                assert await asyncio.to_thread(os.waitpid, child, 0) == (child, 0)
                await engine.publish("chat:1", 1)

        def child_uses():
            thread = threading.Thread(target=lambda: asyncio.run(use()))  # no loop runs in it
            thread.start()
            thread.join()
            return True

        asyncio.run(parent())
    """)


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(tmp_path, method):
    ends(tmp_path, """
        def work(queue):
            async def use():
                async with make() as engine, engine.subscribe("chat:1") as messages:
                    await engine.publish("chat:1", 1)
                    queue.put((await messages.__anext__()).json())
            thread = threading.Thread(target=lambda: asyncio.run(use()))
            thread.start()
            thread.join()

        async def main(context):
            async with make() as engine:
                queue = context.Queue()
                children = [context.Process(target=work, args=(queue,)) for _ in range(2)]
                for child in children:
                    child.start()
                got = [await asyncio.to_thread(queue.get) for _ in children]
                assert got == [1, 1], got
                for child in children:
                    await asyncio.to_thread(child.join)
                    assert child.exitcode == 0, child.exitcode
                await engine.publish("chat:1", 1)

        if __name__ == "__main__":
            asyncio.run(main(multiprocessing.get_context(sys.argv[1])))
    """, arguments=[method])


def test_an_engine_that_nobody_closed_goes_with_its_loop(tmp_path):
    ends(tmp_path, """
        async def left():
            engine = make()
            await engine.start()
            engine.publish_nowait("chat:1", 1)
        for _ in range(3):
            asyncio.run(left())
    """)


def test_a_handler_that_sleeps_holds_up_no_client(tmp_path):
    ends(tmp_path, """
        engine = make()

        async def main():
            async with engine:
                host, port = engine.address.rsplit(":", 1)

                def health():
                    with socket.create_connection((host, int(port))) as client:
                        client.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
                        answered.append(client.recv(100))

                answered = []
                thread = threading.Thread(target=health)
                thread.start()
                while not answered:
                    time.sleep(0.01)           # the loop stands still, the engine does not
                assert answered[0].startswith(b"HTTP/1.1 200")
        asyncio.run(main())
    """)
