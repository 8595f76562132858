"""What `pip install .` has put into the environment that runs this test (scripts/wheel)."""
import asyncio
import importlib.metadata
import pathlib
import subprocess
import sys

import pytest
import ringcast
from ringcast import _core

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = pathlib.Path(ringcast.__file__).parent
WHEEL_BYTES_MAX = 4 << 20


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}


def test_the_package_is_all_of_the_tree_and_the_module():
    assert files(PACKAGE) - files(ROOT / "python/ringcast") == {pathlib.Path(_core.__file__).name}
    assert files(ROOT / "python/ringcast") <= files(PACKAGE)
    assert "py.typed" in files(PACKAGE)


@pytest.mark.parametrize("program", ["ringcastd", "ringcast"])
def test_the_programs_say_the_version_of_the_package(program):
    path = pathlib.Path(sys.executable).parent / program
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split()[-1] == importlib.metadata.version("ringcast") == ringcast.__version__


def test_the_wheel_is_small():
    (wheel,) = (ROOT / "build/wheels").glob("ringcast-*.whl")
    assert wheel.stat().st_size < WHEEL_BYTES_MAX


def test_the_module_shows_nothing_but_its_init_function():
    shown = subprocess.run(["nm", "-D", "--defined-only", _core.__file__], capture_output=True,
                           text=True, check=True).stdout.split("\n")
    assert [line.split()[-1] for line in shown if line] == ["PyInit__core"]


def test_pytest_finds_the_fixtures(tmp_path):
    said = subprocess.run([sys.executable, "-m", "pytest", "--fixtures", "-p", "no:cacheprovider"], cwd=tmp_path,
                          capture_output=True, text=True).stdout
    assert all(name in said for name in ("rc_engine", "rc_client", "published", "rc_clock"))


def test_the_engine_runs():
    async def use():
        async with (ringcast.Engine(listen="127.0.0.1:0") as engine,
                    engine.subscribe("chat:1") as messages):
            await engine.publish("chat:1", 1)
            return (await messages.__anext__()).json()

    assert asyncio.run(use()) == 1
