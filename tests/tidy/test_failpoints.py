"""Failpoints end the process on purpose, so no build that users run may have them."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = '#include "base/failpoint.hpp"\nvoid way() { ringcast::failpoint("read"); }\n'


def symbols(folder, option):
    """What an object that passes a failpoint needs from elsewhere, at the least optimization."""
    source, made = folder / "way.cpp", folder / f"way{option}.o"
    source.write_text(UNIT)
    subprocess.run(["c++", "-std=c++20", "-O0", f"-DRINGCAST_FAILPOINTS={option}",
                    f"-I{ROOT / 'engine'}", "-c", source, "-o", made], check=True)
    return subprocess.run(["nm", "-C", made], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not shutil.which("c++") or not shutil.which("nm"), reason="needs a compiler")
def test_without_the_option_nothing_is_left_of_a_failpoint(tmp_path):
    assert "hit_failpoint" not in symbols(tmp_path, 0)
    assert "hit_failpoint" in symbols(tmp_path, 1)


def test_only_the_preset_of_the_tests_has_the_option():
    presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
    having = [one["name"] for one in presets if "RINGCAST_FAILPOINTS" in one["cacheVariables"]]
    assert having == ["dev"]
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert re.search(r"option\(RINGCAST_FAILPOINTS .* OFF\)", cmake)
    # Their code is not in the library, so what passes one by another way does not link.
    assert "set(base_without engine/base/failpoint.cpp)" in cmake


def test_a_release_that_was_built_has_none():
    release = ROOT / "build/release/bin/ringcastd"
    if not release.exists():
        pytest.skip("build/release is not built")
    if release.stat().st_mtime < (ROOT / "engine/base/failpoint.hpp").stat().st_mtime:
        pytest.skip("build/release is older than the failpoints")
    assert b"RINGCAST_FAILPOINT" not in release.read_bytes()
