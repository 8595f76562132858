"""The scripts of docs/python.md that have the engine inside, run by the package of the build."""
import os
import subprocess

from readme.snippets import snippet
from support.daemon import ROOT, SANITIZER_MARKS
from support.tokens import SECRET
from support.waiting import DEADLINE_S


def python(folder, *arguments):
    done = subprocess.run([ROOT / "scripts/python", *arguments], cwd=folder, timeout=DEADLINE_S,
                          capture_output=True, text=True,
                          env={**os.environ, "RINGCAST_AUTH_HS256_SECRET": SECRET})
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not any(mark in said for mark in SANITIZER_MARKS), said
    return done.stdout


def test_a_program_publishes_to_itself(tmp_path):
    address, message = python(tmp_path, "-c", snippet("python-asyncio")).splitlines()
    assert address.startswith("clients connect to 127.0.0.1:")
    assert message == "chat:7 message:new {'text': 'hello'}"


def test_the_application_passes_the_tests_that_stand_beside_it(tmp_path):
    (tmp_path / "app.py").write_text(snippet("python-tested"))
    (tmp_path / "test_app.py").write_text(snippet("python-testing"))
    said = python(tmp_path, "-m", "pytest", "-p", "ringcast._pytest_plugin", "-p", "no:cacheprovider",
                  "test_app.py")
    assert "3 passed" in said
