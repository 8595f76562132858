"""The daemon itself, with a fault built into its source: the kill loop and the order loop have to
find it.

scripts/kill and scripts/order run this file by its name; scripts/test has no time for it. A mutant
is a change to one unit, compiled and linked by the very commands of the build that RINGCAST_BIN
belongs to."""
import os
import pathlib
import re
import subprocess

import pytest

from outbox.kill_loop import kill_rounds
from outbox.order_loop import order_seeds
from support import daemon as daemons

WINDOW_SQL = "pg/window_sql.cpp"
# The second mutant shows only where two daemons meet a backlog with different snapshots.
ROUNDS = 40
SEED = int(os.environ.get("RINGCAST_KILL_SEED", 1))
ORDER_SEED = int(os.environ.get("RINGCAST_ORDER_SEED", 1))
ORDER_SEEDS = 5
STORES = ("postgres", "status")
# store, fault: unit, what stands there, what the mutant has instead
MUTANTS = {
    # What commits late has an id below the last one that was seen.
    ("postgres", "id cursor"): (WINDOW_SQL, '''"select {0} from {{0}} where xid >= pg_snapshot_xmax({1}::pg_snapshot)"
                          "\\n  union all select {0} from {{0}}"
                          " where xid = any(array(select pg_snapshot_xip({1}::pg_snapshot)))",''',
                  '''"select {0} from {{0}} where {1}::pg_snapshot is not null and id >"
                  " (select coalesce(max(id_to), 0) from ringcast.reader_window)",'''),
    ("status", "id cursor"): (
        "pg/status_schema.cpp", "      where o.position = 0 and ringcast.claim_part(",
        "      where o.id > (select coalesce(max(w.id_to), 0) from ringcast.reader_window w)"
        " and o.position = 0 and ringcast.claim_part("),
    # The rest of one daemon's windows takes numbers that the other's backlog did not need.
    ("postgres", "several windows by one statement"): (
        WINDOW_SQL, '''p as (select id, size from d order by id limit $7::bigint)
{1}
select $1, $2::bigint, $3, $4::pg_snapshot, $5::pg_snapshot, min(id), max(id), count(*),
       coalesce(sum(size), 0), (select count(*) from d) > $7::bigint
from p having {2}''', '''p as (select id, size,
  (row_number() over (order by id) - 1) / $7::bigint as part from d)
{1}
select $1, $2::bigint + part, $3, $4::pg_snapshot, $5::pg_snapshot, min(id), max(id), count(*),
       coalesce(sum(size), 0), part < (select max(part) from p)
from p group by part having {2}'''),
}
# With it go the limits that would leave only one window in the statement.
ALSO = {("postgres", "several windows by one statement"): [
    ('" order by id limit $7::bigint + 1)");', '" order by id)");'),
    (") x order by id limit $7::bigint + 1),", ") x order by id),")]}


def in_a_larger_unit(commands, build_folder, mutant, unit):
    """A first build by scripts/test compiles several units as one: the command for that, and it with the mutant in it."""
    original = str(daemons.ROOT / unit)
    for line in commands:
        path = pathlib.Path(build_folder, line.split(" -c ")[-1])
        if path.suffix == ".cxx" and original in (text := path.read_text()):
            larger = mutant.with_name("larger.cpp")
            larger.write_text(text.replace(original, str(mutant)))
            return line, larger
    raise AssertionError(f"no command compiles {unit}")


def build(store, name, folder):
    """The path of a daemon with this mutant."""
    build_folder = pathlib.Path(daemons.BINARY).resolve().parents[1]
    commands = subprocess.run(["ninja", "-t", "commands", "bin/ringcastd"], cwd=build_folder,
                              capture_output=True, text=True, check=True).stdout.splitlines()
    changed, *change = MUTANTS[store, name]
    source = (daemons.ROOT / changed).read_text()
    for before, after in [change, *ALSO.get((store, name), [])]:
        assert before in source, f"{changed} is no longer what this mutant changes: {before}"
        source = source.replace(before, after)
    unit, object_file, binary = (folder / file for file in ("mutant.cpp", "mutant.o", "ringcastd"))
    unit.write_text(source)
    compiles = next((line for line in commands if line.endswith(changed)), None)
    if compiles is None:
        compiles, unit = in_a_larger_unit(commands, build_folder, unit, changed)
    compiles = re.sub(r" -c \S+$", f" -c {unit}", compiles)
    compiles = re.sub(r" -MD -MT \S+ -MF \S+ -o \S+", f" -o {object_file}", compiles)
    (links,) = (line for line in commands if " -o bin/ringcastd " in line)
    links = links.replace(" -o bin/ringcastd ", f" {object_file} -o {binary} ").split(" && cd ")[0]
    for command in (compiles, links.removesuffix(" && :")):
        subprocess.run(command, shell=True, cwd=build_folder, check=True)
    return str(binary)


@pytest.fixture
def mutant(store, name, tmp_path, monkeypatch):
    """Daemons have this fault from now on."""
    if (store.kind, name) not in MUTANTS:
        pytest.skip("no fault of this store")
    monkeypatch.setattr(daemons, "BINARY", build(store.kind, name, tmp_path))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["id cursor", "several windows by one statement"])
def test_the_kill_loop_turns_red_for_a_mutant_of_the_source(world, mutant, name):
    report = kill_rounds(world, ROUNDS, SEED, pause_ms=5, settle_s=10)
    print(name, report["violations"][:3])
    assert report["violations"], report


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["id cursor"])
def test_the_order_loop_turns_red_for_a_mutant_of_the_source(world, mutant, name):
    report = order_seeds(world, range(ORDER_SEED, ORDER_SEED + ORDER_SEEDS), settle_s=10)
    print(name, report["violations"][:3])
    assert report["violations"], report
