"""The program itself: commands that end, and commands that run beside the test."""
import os
import pathlib
import subprocess

import pytest

from support.daemon import BINARY, SANITIZER_MARKS
from support.waiting import DEADLINE_S, wait_until

# `ringcast` and `ringcastd` are one program under two names.
CLIENT = str(pathlib.Path(BINARY).with_name("ringcast"))


def environment(extra):
    """The test's own environment without what would configure a daemon."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RINGCAST_")}
    kept.update(extra or {})
    return {key: value for key, value in kept.items() if value is not None}


class Running:
    """A command whose output can be read while it runs."""

    def __init__(self, folder, arguments, program, env, preexec_fn):
        self.output_path, self.error_path = folder / "out", folder / "err"
        with open(self.output_path, "wb") as output, open(self.error_path, "wb") as error:
            self.process = subprocess.Popen(
                [program, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=output,
                stderr=error, env=environment(env), cwd=folder, preexec_fn=preexec_fn)

    @property
    def output(self):
        return self.output_path.read_text()

    @property
    def errors(self):
        return self.error_path.read_text()

    def wait_output(self, text):
        self._wait(lambda: text in self.output, text)

    def wait_errors(self, text, times=1):
        self._wait(lambda: self.errors.count(text) >= times, text)

    def _wait(self, condition, what):
        def come_or_ended():
            if not condition() and self.process.poll() is not None and not condition():
                raise AssertionError(f"ended with {self.process.returncode} before {what!r}:\n"
                                     f"{self.output}\n{self.errors}")
            return condition()

        wait_until(come_or_ended, f"{what!r} in\n{self.output}\n{self.errors}\n")

    def port(self):
        """Of a daemon: where it listens."""
        self.wait_output("\n")
        return int(self.output.split("\n", 1)[0].rsplit(":", 1)[1])

    def signal(self, number):
        self.process.send_signal(number)

    def ended(self, deadline_s=DEADLINE_S):
        """The exit code; nothing a sanitizer said."""
        code = self.process.wait(deadline_s)
        for mark in SANITIZER_MARKS:
            assert mark not in self.errors, self.errors
        return code


@pytest.fixture
def run(tmp_path):
    """run("check-config", file, env={…}, program=…) -> CompletedProcess, with text."""

    def make(*arguments, env=None, program=BINARY, input=None, preexec_fn=None):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True,
                              input=input if input is not None else "", env=environment(env),
                              cwd=tmp_path, timeout=DEADLINE_S, preexec_fn=preexec_fn)
        for mark in SANITIZER_MARKS:
            assert mark not in done.stderr, done.stderr
        return done

    return make


@pytest.fixture
def ringcast(run):
    """The same under its other name, for the commands of a client."""
    return lambda *arguments, **options: run(*arguments, program=CLIENT, **options)


@pytest.fixture
def spawn(tmp_path_factory):
    """spawn("dev", …) -> Running, ended by force after the test if it has not ended by then."""
    running = []

    def make(*arguments, env=None, program=BINARY, preexec_fn=None):
        one = Running(tmp_path_factory.mktemp("command"), arguments, program, env, preexec_fn)
        running.append(one)
        return one

    yield make
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def write(tmp_path):
    """write("text") -> the path of ringcast.toml with it, relative as a user would type it."""

    def make(text, name="ringcast.toml"):
        (tmp_path / name).write_text(text)
        return name

    return make
