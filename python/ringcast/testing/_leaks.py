"""What a block of a test has left behind."""

import asyncio
import os
import threading
from typing import Any

__all__ = ["LeakError", "Resources"]

GRACE_S = 2.0
# Threads of pools that live as long as their loop or their application.
POOLS = ("asyncio_", "AnyIO worker")
# Files are an application's caches and logs; these are connections and loops.
DESCRIPTORS = ("socket:", "anon_inode:", "pipe:")


class LeakError(AssertionError):
    """Tasks, threads or descriptors that were not there before the engine was started."""


class Resources:
    """What is open now. Thread: the loop's; immutable."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = {
            task for task in asyncio.all_tasks() if not task.done()
        }
        every = threading.enumerate()
        self.threads = {each for each in every if not each.name.startswith(POOLS)}
        # Those that Python does not know are C++'s.
        self.foreign_threads = max(0, len(os.listdir("/proc/self/task")) - len(every))
        self.descriptors: dict[int, str] = {}
        for name in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue  # that of the folder itself
            if target.startswith(DESCRIPTORS):
                self.descriptors[int(name)] = target

    def more_than(self, before: "Resources") -> list[str]:
        found = [f"task {task!r}" for task in self.tasks - before.tasks]
        found += [f"thread {thread.name}" for thread in self.threads - before.threads]
        if self.foreign_threads > before.foreign_threads:
            found.append(f"{self.foreign_threads - before.foreign_threads} threads of the engine")
        old = set(before.descriptors.items())
        found += [
            f"descriptor {fd} {what}"
            for fd, what in self.descriptors.items()
            if (fd, what) not in old
        ]
        return found

    async def check(self) -> None:
        """LeakError, if anything is still there that was not when this was made. What is ending
        has GRACE_S to end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + GRACE_S
        while found := Resources().more_than(self):
            if loop.time() > end:
                raise LeakError("left behind by this test: " + "; ".join(found))
            await asyncio.sleep(0.01)
