"""What importing and making an engine costs: nothing that stays; what starting leaves behind: nothing."""
import json
import subprocess
import sys

COUNT = """
import json, os, sys, threading, time
def now():
    return [len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))]
def at_last(wanted):  # a thread that was joined is in /proc until the kernel has taken it down
    end = time.monotonic() + 60
    while now() != wanted and time.monotonic() < end:
        time.sleep(0.001)
    return now()
class Loop:
    call_soon = print
class Owner:
    _loop, _thread = Loop(), threading.get_ident()
    def __getattr__(self, name):
        return print
counts = [now()]
"""


def counts(steps):
    """Threads and descriptors of a fresh process at its begin and after each step."""
    script = COUNT + "".join(f"{step}\ncounts.append({'at_last(counts[0])' if 'stop' in step or 'del' in step else 'now()'})\n"
                             for step in steps)
    done = subprocess.run([sys.executable, "-c", script + "print(json.dumps(counts))"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_neither_import_nor_making_one_starts_a_thread_or_opens_a_file():
    first, *others = counts(["import ringcast", "from ringcast import _core",
                             "core = _core.Core(['auth.allow_anonymous=true'])"])
    assert others == [first] * 3


def test_after_a_stop_neither_thread_nor_file_is_left():
    first, running, *stopped = counts(
        ["from ringcast import _core; core = _core.Core([]); core.start(Owner())",
         "core.stop()", "core.start(Owner()); core.stop()", "core.start(Owner()); del core"])
    assert running[0] > first[0] and running[1] > first[1]
    assert stopped == [first] * 3
