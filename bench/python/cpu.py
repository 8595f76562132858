"""CPU time by perf's task-clock, as bench/fanout/perf_counter.cpp: /proc and getrusage lose most of a
long system call on some virtual machines."""
import ctypes
import os
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_PERF_EVENT_OPEN = 298  # x86-64
_TYPE_SOFTWARE, _TASK_CLOCK = 1, 1
_SIZE = 112
_EXCLUDE_HYPERVISOR = 1 << 6


def _open(thread):
    about = bytearray(_SIZE)
    struct.pack_into("IIQ", about, 0, _TYPE_SOFTWARE, _SIZE, _TASK_CLOCK)
    struct.pack_into("Q", about, 40, _EXCLUDE_HYPERVISOR)
    fd = _LIBC.syscall(_PERF_EVENT_OPEN, (ctypes.c_char * _SIZE).from_buffer(about), thread, -1, -1, 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "perf_event_open is refused: no CPU time, no figure")
    return fd


class CpuClock:
    """Of the threads that a process has when this is made; `only`: of this one alone."""

    def __init__(self, pid, only=None):
        threads = [only] if only else [int(name) for name in os.listdir(f"/proc/{pid}/task")]
        self._counters = [_open(thread) for thread in threads]

    def ns(self):
        return sum(struct.unpack("Q", os.read(fd, 8))[0] for fd in self._counters)

    def close(self):
        for fd in self._counters:
            os.close(fd)


def switches(pid):
    """How often the threads of a process have gone to sleep and come back."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/task"):
        for line in open(f"/proc/{pid}/task/{name}/status"):
            if "ctxt_switches" in line:
                count += int(line.split()[1])
    return count
