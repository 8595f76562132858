"""Files, variables and flags: which wins, and what every mistake is told."""
import re

import pytest

from support.daemon import ROOT

LOCAL = ("--listen", "127.0.0.1:0")
SECRET = "planted-secret-0123456789-0123456789"

BAD_FILES = [
    ("unknown key with a near one", '[listen]\nadress = "127.0.0.1:0"\n',
     "ringcast.toml:2:1: unknown key 'listen.adress', did you mean 'address'?"),
    ("key of another section", "[engine]\nmessage_bytes_max = 1000\n",
     "ringcast.toml:2:1: unknown key 'engine.message_bytes_max', it belongs to [limits]"),
    ("unknown section", "[limit]\nerrors_max = 1\n",
     "ringcast.toml:1:2: unknown section 'limit', did you mean 'limits'?"),
    ("number above its bound", "[engine]\nshards = 57\n",
     "ringcast.toml:2:10: engine.shards: found 57, expected an integer from 0 to 56"),
    ("number below its bound", "[limits]\nping_interval_s = 0\n",
     "ringcast.toml:2:19: limits.ping_interval_s: found 0, expected an integer from 1 to 3600"),
    ("text for a number", '\n\n[limits]\n  errors_max = "many"\n',
     'ringcast.toml:4:16: limits.errors_max: found "many", expected an integer from 1 to 1000000'),
    ("number for a switch", "[engine]\npin = 1\n",
     "ringcast.toml:2:7: engine.pin: found 1, expected true or false"),
    ("no such choice", '[log]\nformat = "xml"\n',
     'ringcast.toml:2:10: log.format: found "xml", expected one of automatic, human, json'),
    ("fraction", "[engine]\nshards = 1.5\n",
     "ringcast.toml:2:10: engine.shards: found a number with a fraction, expected an integer from 0 "
     "to 56"),
    ("not an address", '[listen]\naddress = "8800"\n',
     'ringcast.toml:2:11: listen.address: found "8800", expected HOST:PORT or [IPv6]:PORT'),
    ("not an origin", '[listen]\nallowed_origins = ["https://App.example/"]\n',
     "ringcast.toml:2:19: listen.allowed_origins: found \"https://App.example/\", expected "
     "scheme://host[:port] as browsers send it (lower case, no slash at the end, not the usual "
     "port)"),
    ("secret that is short", '[auth]\nhs256_secret = "31-octets-of-planted-secret----"\n',
     "ringcast.toml:2:16: auth.hs256_secret: found a shorter text, expected at least 32 octets"),
    ("history without a store", '[[namespace]]\nname = "chat"\nhistory = "store"\n',
     'ringcast.toml:3:11: namespace.chat.history: found "store" without a store, expected '
     'store.url to be set, or "memory" or "none"'),
    ("namespace without a name", "[[namespace]]\nhistory_size = 5\n",
     'ringcast.toml:1:1: namespace.name: found nothing usable, expected a string such as "chat" or '
     '"*"'),
    ("key file that is not there", '[auth]\npublic_keys = ["/nowhere/key.pem"]\n',
     "ringcast.toml:2:15: auth.public_keys: "),
    ("not TOML", "[listen]\naddress = \n", "ringcast.toml:2:"),
]


@pytest.mark.parametrize("command", [("check-config",), ("serve", "--config")],
                         ids=["check-config", "serve"])
@pytest.mark.parametrize("text, expected", [row[1:] for row in BAD_FILES],
                         ids=[row[0].replace(" ", "-") for row in BAD_FILES])
def test_mistake_is_told_with_file_line_and_column(run, write, command, text, expected):
    done = run(*command, write(text))
    assert (done.returncode, done.stdout) == (1, "")
    complaint, count = done.stderr.splitlines()
    assert complaint == expected or expected[-1] in " :" and complaint.startswith(expected)
    assert count == "1 problem; `ringcastd config-reference` explains every key"
    assert "planted" not in done.stderr


def test_all_mistakes_are_told_at_once_in_the_order_of_the_lines(run, write):
    path = write('[engine]\nshards = 900\nbackend = "kqueue"\n[limits]\nerrors_max = -1\n'
                 '[listen]\naddress = "0.0.0.0:1"\n')
    done = run("serve", "--config", path, "--log-level", "loud", "--set", "limits.nothing=1",
               env={"RINGCAST_ENGINE_PIN": "perhaps", "RINGCAST_LISTEN_ADRESS": "x"})
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines[:-1]] == [
        "ringcast.toml:2:10", "ringcast.toml:3:11", "ringcast.toml:5:14", "RINGCAST_ENGINE_PIN",
        "RINGCAST_LISTEN_ADRESS", "--set limits.nothing", "--log-level", "ringcast.toml:7:11"]
    assert lines[-1].startswith("8 problems; ")


@pytest.mark.parametrize("command", [("check-config",), ("serve", "--config")],
                         ids=["check-config", "serve"])
def test_schemas_are_read_and_each_mistake_is_told_with_its_place(run, write, tmp_path, command):
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "a.b.c.json").write_text('{\n "properties": {"n": {"type": "numbr"}}\n}')
    (folder / "d.e.f.json").write_text('{"type": "object",\n')
    (folder / "good.json").write_text('{"type": "object"}')
    done = run(*command, write(f'[outbox]\nschemas = "{folder}"\n'))
    assert (done.returncode, done.stdout) == (1, "")
    first, second, count = done.stderr.splitlines()
    assert first.startswith(f"ringcast.toml:2:11: outbox.schemas: {folder}/a.b.c.json:2:31: a.b.c: "
                            "properties.n.type: is not a JSON Schema: ")
    assert second.startswith(f"ringcast.toml:2:11: outbox.schemas: {folder}/d.e.f.json:2:1: d.e.f: ")
    assert count.startswith("2 problems; ")
    (folder / "a.b.c.json").unlink()
    (folder / "d.e.f.json").unlink()
    if command == ("check-config",):
        assert run(*command, "ringcast.toml").stdout == "ok\n"


def test_good_file_is_ok(run, write):
    done = run("check-config", write(f'[auth]\nhs256_secret = "{SECRET}"\n'
                                     '[listen]\naddress = "0.0.0.0:8800"\n'))
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_check_uses_the_environment_as_serve_does(run, write):
    path = write('[listen]\naddress = "0.0.0.0:8800"\n')
    assert run("check-config", path).returncode == 1
    assert run("check-config", path, env={"RINGCAST_AUTH_HS256_SECRET": SECRET}).returncode == 0


@pytest.mark.parametrize("command", [("check-config",), ("serve", "--config")],
                         ids=["check-config", "serve"])
def test_file_that_is_not_there_is_named(run, command):
    done = run(*command, "nowhere.toml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "nowhere.toml: can not be opened\n"


@pytest.mark.parametrize("file, variable, sets, flag, shards", [
    (None, None, [], 3, 3),
    (1, None, [], None, 1),
    (1, 2, [], None, 2),
    (1, 2, [3], None, 3),
    (1, 2, [3, 4], None, 4),
    (1, 2, [3, 4], 5, 5),
])
def test_what_comes_later_wins_file_environment_set_flag(spawn, tmp_path, file, variable, sets,
                                                         flag, shards):
    arguments = ["serve", *LOCAL]
    if file is not None:
        (tmp_path / "c.toml").write_text(f"[engine]\nshards = {file}\n")
        arguments += ["--config", tmp_path / "c.toml"]
    for value in sets:
        arguments += ["--set", f"engine.shards={value}"]
    if flag is not None:
        arguments += ["--shards", flag]
    env = {} if variable is None else {"RINGCAST_ENGINE_SHARDS": str(variable)}
    daemon = spawn(*arguments, env=env)
    daemon.port()
    assert re.search(rf'"{shards} shards on ', daemon.errors)


def test_set_reaches_a_namespace(spawn, ringcast):
    daemon = spawn("dev", *LOCAL, "--store", "sqlite:x.db", "--set", "namespace.chat.history=none")
    url = f"http://127.0.0.1:{daemon.port()}"
    assert "offset" not in ringcast("pub", "chat:1", "t", "1", "--url", url).stdout
    assert "offset" in ringcast("pub", "other:1", "t", "1", "--url", url).stdout


@pytest.mark.parametrize("backend", ["epoll", "io_uring"])
def test_engine_flag_chooses_the_backend(spawn, backend):
    daemon = spawn("serve", *LOCAL, "--engine", backend)
    try:
        daemon.port()
    except AssertionError:
        if backend == "io_uring" and "io_uring" in daemon.errors:
            pytest.skip("io_uring is refused on this machine")
        raise
    assert re.search(rf"shards on {backend}\b", daemon.errors)


@pytest.mark.parametrize("arguments, complaint", [
    (("--set", "engine.shards"), "--set engine.shards: expected section.key=value"),
    (("--set", "shards=1"), "--set shards: expected section.key=value"),
    (("--set", f"auth.secret={SECRET}"), "--set auth.secret: unknown key"),
    (("--set", "auth.hs256_secret=planted"), "--set auth.hs256_secret: auth.hs256_secret: found a"),
    (("--shards", "many"), '--shards: engine.shards: found "many", expected an integer'),
    (("--engine", "kqueue"),
     '--engine: engine.backend: found "kqueue", expected one of automatic, io_uring, epoll'),
    (("--log-format", "xml"), '--log-format: log.format: found "xml", expected one of automatic, human, json'),
    (("--listen", "8800"),
     '--listen: listen.address: found "8800", expected HOST:PORT or [IPv6]:PORT'),
])
def test_mistake_in_a_flag_is_told_by_the_flag(run, arguments, complaint):
    done = run("serve", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(complaint)
    assert "planted" not in done.stderr


def test_variables_of_clients_and_scripts_are_no_mistakes(run, write):
    env = {"RINGCAST_API_KEY": "k", "RINGCAST_TOKEN": "t", "RINGCAST_BIN": "/x"}
    assert run("check-config", write(""), env=env).stderr == ""


def test_reference_in_the_documentation_is_the_programs_own(run):
    done = run("config-reference")
    assert done.returncode == 0
    page = (ROOT / "docs/configuration.md").read_text()
    assert page == done.stdout, "build/dev/bin/ringcastd config-reference > docs/configuration.md"
