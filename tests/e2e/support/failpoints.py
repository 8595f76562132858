"""Places in the daemon at which it ends as by a crash: engine/base/failpoint.hpp."""
import signal
import subprocess

from .daemon import BINARY

# In the order in which a row comes to them; `read` and `record` of each store, `deliver` only where
# somebody subscribes.
STEPS = ("read", "record", "hand_over", "publish", "deliver", "settle")
VARIABLE = "RINGCAST_FAILPOINT"


def at_hit(step, hit):
    return {VARIABLE: f"{step}:abort@{hit}"}


def where(step, text):
    """The step at which the row's payload holds the text."""
    return {VARIABLE: f"{step}:abort~{text}"}


def in_binary(path=BINARY):
    return subprocess.run(["grep", "-q", VARIABLE, path], check=False).returncode == 0


def start(daemon, environment):
    """False if it aborted before it was there; any other end at start fails the test."""
    daemon.environment, daemon.ended_with = environment, None
    try:
        daemon.start()
    except AssertionError:
        if daemon.ended_with != -signal.SIGABRT:
            raise
        return False
    finally:
        daemon.environment = {}
    return True


def aborted(daemon):
    return daemon.ended_with == -signal.SIGABRT
