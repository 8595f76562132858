"""One thread of a process stands still, as under a debugger; the others go on."""
import ctypes
import os
import pathlib

_PTRACE_DETACH, _PTRACE_SEIZE, _PTRACE_INTERRUPT = 17, 0x4206, 0x4207
_WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"ptrace: {os.strerror(code)}")


def thread_named(process_id, name):
    for task in pathlib.Path(f"/proc/{process_id}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"no thread {name!r}")


class StoppedThread:
    """`with StoppedThread(pid, "shard 1"):` by ptrace (SIGSTOP would stop the whole process). Only
    for children of this process, from the thread that made it."""

    def __init__(self, process_id, name):
        self.thread = thread_named(process_id, name)
        _ptrace(_PTRACE_SEIZE, self.thread)
        _ptrace(_PTRACE_INTERRUPT, self.thread)
        os.waitpid(self.thread, _WALL)
        self.stopped = True

    def resume(self):
        if self.stopped:
            self.stopped = False
            _ptrace(_PTRACE_DETACH, self.thread)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.resume()
