"""Waiting for conditions: a deadline, never a fixed sleep."""
import time

# Long enough for a sanitizer build on a machine with ten times the work; a passing test never waits for it.
DEADLINE_S = 60.0


def wait_until(condition, what="the condition", deadline_s=DEADLINE_S):
    """Calls `condition` until it gives something true, and returns that."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {deadline_s} s")
        time.sleep(0.01)
