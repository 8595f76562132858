"""What a start prints and needs, and how it is refused."""
import os
import re
import resource
import signal
import socket
import stat

import pytest

from support.daemon import ROOT
from support.http_client import request
from support.waiting import wait_until

LOCAL = ("--listen", "127.0.0.1:0")
SECRET = "start-secret-of-more-than-thirty-two-octets"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def test_first_line_on_standard_output_names_the_port_that_was_chosen(spawn):
    daemon = spawn("serve", *LOCAL)
    port = daemon.port()
    assert daemon.output == f"listening on http://127.0.0.1:{port}\n"
    assert request(("127.0.0.1", port), "GET", "/healthz", {}).status == 200
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    assert daemon.output == f"listening on http://127.0.0.1:{port}\n", "nothing else goes there"


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_ipv6_address_is_printed_as_it_stands_in_a_url(spawn):
    daemon = spawn("serve", "--listen", "[::1]:0")
    daemon.port()
    assert re.fullmatch(r"listening on http://\[::1\]:\d+\n", daemon.output)


def test_port_in_use_is_refused_by_its_name_with_a_way_on(spawn, run):
    port = spawn("serve", *LOCAL).port()
    second = run("serve", "--listen", f"127.0.0.1:{port}")
    assert (second.returncode, second.stdout) == (1, "")
    assert f"127.0.0.1:{port} is in use by another process" in second.stderr
    assert "--listen HOST:PORT" in second.stderr


def test_same_port_is_free_again_at_once_though_clients_were_connected(spawn):
    port = 0
    for _ in range(3):
        daemon = spawn("serve", "--listen", f"127.0.0.1:{port}")
        port = daemon.port()
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        daemon.signal(signal.SIGTERM)
        while client.recv(1000):
            pass
        client.close()  # behind the daemon, so that the TIME_WAIT is on its side
        assert daemon.ended() == 0


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "example.org:80"])
def test_dev_listens_on_this_machine_only(run, tmp_path, address):
    done = run("dev", "--listen", address, "--store", f"sqlite:{tmp_path / 'x.db'}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f'--listen: listen.address: found "{address}"' in done.stderr
    assert "in dev mode everybody may do everything" in done.stderr
    assert "`ringcastd serve`" in done.stderr


def test_serve_on_a_public_address_without_keys_names_the_three_ways_on(run):
    done = run("serve", "--listen", "0.0.0.0:0")
    assert (done.returncode, done.stdout) == (1, "")
    for way in ("auth.hs256_secret (RINGCAST_AUTH_HS256_SECRET)", "auth.public_keys",
                "127.0.0.1 behind a proxy", "auth.allow_anonymous = true"):
        assert way in done.stderr


@pytest.mark.parametrize("env", [{"RINGCAST_AUTH_HS256_SECRET": SECRET},
                                 {"RINGCAST_AUTH_ALLOW_ANONYMOUS": "true"}])
def test_serve_on_a_public_address_starts_on_each_of_the_ways(spawn, env):
    daemon = spawn("serve", "--listen", "0.0.0.0:0", env=env)
    assert daemon.port() > 0


def test_dev_needs_no_flags_and_keeps_its_store_in_the_users_state_folder(spawn, tmp_path):
    daemon = spawn("dev", *LOCAL, env={"XDG_STATE_HOME": str(tmp_path / "state")})
    address = ("127.0.0.1", daemon.port())
    wait_until(lambda: request(address, "GET", "/readyz", {}).status == 200, "readiness")
    folder = tmp_path / "state/ringcast"
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert (folder / "dev.db").exists()
    assert f"sqlite:{folder / 'dev.db'}" in daemon.errors, "the log says where"
    headers = {"Authorization": "Bearer dev", "Content-Type": "application/json"}
    answer = request(address, "POST", "/api/publish", headers, {"room": "a", "type": "t", "data": 1})
    assert answer.status == 200


@pytest.mark.parametrize("state, place", [(None, "home/.local/state"), ("", "home/.local/state"),
                                          ("relative", "home/.local/state")])
def test_dev_store_is_below_home_where_xdg_state_home_is_no_absolute_path(spawn, tmp_path, state,
                                                                          place):
    daemon = spawn("dev", *LOCAL, env={"XDG_STATE_HOME": state, "HOME": str(tmp_path / "home")})
    daemon.port()
    wait_until(lambda: (tmp_path / place / "ringcast/dev.db").exists(), "the store")


def test_dev_without_a_home_says_what_to_set(run):
    done = run("dev", *LOCAL, env={"XDG_STATE_HOME": None, "HOME": None})
    assert (done.returncode, done.stdout) == (1, "")
    assert "--store sqlite:PATH" in done.stderr


def test_dev_folder_that_can_not_be_made_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    done = run("dev", *LOCAL, env={"XDG_STATE_HOME": str(tmp_path / "file")})
    assert done.returncode == 1
    assert f"{tmp_path}/file/ringcast can not be made (Not a directory)" in done.stderr


def test_store_of_an_unknown_kind_is_refused(run):
    done = run("serve", *LOCAL, "--store", "mysql://root:hidden-word@localhost/x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--store: store.url: found another form, expected sqlite:PATH or postgresql://..." \
        in done.stderr
    assert "hidden-word" not in done.stderr


def soft_limit(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_files_limit(daemon):
    for line in open(f"/proc/{daemon.process.pid}/limits"):
        if line.startswith("Max open files"):
            return int(line.split()[3])


def test_limit_of_descriptors_is_raised_to_the_hard_one_and_enough_is_enough(spawn):
    # 50 connections, one shard: 50 + 8 + 64.
    daemon = spawn("serve", *LOCAL, "--shards", 1, "--set", "listen.connections_max=50",
                   preexec_fn=soft_limit(64, 122))
    daemon.port()
    assert open_files_limit(daemon) == 122
    assert "descriptors" not in daemon.errors


def test_limit_of_descriptors_that_is_too_low_is_a_warning_with_what_to_do(spawn):
    daemon = spawn("serve", *LOCAL, "--shards", 1, "--set", "listen.connections_max=50",
                   preexec_fn=soft_limit(64, 121))
    daemon.port()
    assert re.search(r'"level":"warning","message":"this process may open 121 descriptors, and listen.connections_max = '
                     r"50 needs 122: raise the limit .*LimitNOFILE=", daemon.errors)


@pytest.mark.parametrize("name", ["ringcastd", "ringcast"])
def test_both_names_have_the_same_commands(run, ringcast, name):
    done = (run if name == "ringcastd" else ringcast)("--help")
    assert done.returncode == 0
    assert f"Usage: {name} [OPTIONS] SUBCOMMAND" in done.stdout
    for command in ("dev", "serve", "check-config", "config-reference", "pub", "sub", "token"):
        assert re.search(rf"^  {command} ", done.stdout, re.MULTILINE), command


def test_version_is_that_of_the_build(run):
    project = re.search(r"project\(ringcast VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"ringcast {project[1]}\n")


@pytest.mark.parametrize("arguments", [(), ("fly",), ("serve", "--fly"), ("check-config",),
                                       ("pub", "room"), ("sub",), ("token", "--user", "u"),
                                       ("serve", "--listen"), ("dev", "extra")])
def test_wrong_usage_ends_with_2_and_points_to_help(run, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--help" in done.stderr


@pytest.mark.parametrize("command", ["dev", "serve", "check-config", "config-reference", "pub",
                                     "sub", "token"])
def test_help_of_each_command_has_an_example_and_the_exit_codes(run, command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert re.search(rf"Example: .*ringcastd? {command}\b", done.stdout)
    assert "Exit codes: 0 " in done.stdout
    # Every option is in docs/cli.md as well.
    page = (ROOT / "docs/cli.md").read_text()
    section = page.split(f"## `{command}`", 1)[1].split("\n## ", 1)[0]
    shared = page.split("## Flags of `dev` and `serve`", 1)[1].split("\n## ", 1)[0]
    for option in set(re.findall(r"^  (?:-\w,)?(--[\w-]+)", done.stdout, re.MULTILINE)) - {"--help"}:
        assert f"`{option}" in (section + shared if command in ("dev", "serve") else section), option
