"""The conventions that a program can check: who may include what, sizes, names. One test a rule; a
failure lists file:line and what is wanted instead."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

# docs/architecture.md, "Folders": a folder may include itself, these, and what these may include.
MAY_INCLUDE = {
    "base": [],
    "message": ["base"],
    "config": ["base"],
    "metrics": ["base"],
    "queue": ["base"],
    "io": ["base", "metrics"],
    "wire": ["message"],
    "protocol": ["wire", "message"],
    "auth": ["message"],
    "hub": ["protocol", "auth", "config", "metrics", "queue"],
    "net": ["hub", "wire", "io", "auth", "config", "metrics"],
    "store": ["message", "queue", "config", "metrics"],
    "pg": ["store"],
    "shard": ["net", "hub", "queue", "io"],
    "root": ["shard", "store", "queue", "config", "metrics", "pg"],
    "bindings": ["root"],
    "daemon": ["root", "config", "auth", "wire", "net", "pg"],
}

# A library's headers and the only folders that see them.
LIBRARIES = {
    r"liburing\.h": {"io"},
    r"openssl/ssl": {"io"},
    r"openssl/": {"auth", "wire", "io", "daemon"},
    r"sqlite3\.h": {"store"},
    r"valijson/|nlohmann/": {"store"},
    r"libpq-fe\.h|postgres": {"pg"},
    r"zlib\.h": {"wire"},
    r"simdjson\.h": {"message", "protocol", "auth", "bindings"},
    r"concurrentqueue/": {"queue"},
    r"boost/beast": {"wire"},
    r"toml\+\+/": {"config"},
    r"CLI/": {"daemon"},
    r"spdlog/": {"base"},
    r"prometheus/": {"metrics"},
    r"pybind11/|Python\.h": {"bindings"},
    r"sys/epoll\.h|sys/inotify\.h": {"io", "store"},
}

UNIT_LINES_MAX, HEADER_LINES_MAX, FUNCTION_LINES_MAX, COLUMNS_MAX = 600, 250, 70, 100


def sources(*patterns):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in listed if (ROOT / name).exists()]


def code():
    return [path for path in sources("engine", "pg", "bindings") if path.suffix in (".cpp", ".hpp")]


def folder_of(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] == "engine":
        return parts[1] if len(parts) > 2 else "root"
    return parts[0]


def reachable(folder):
    seen, waiting = {folder}, list(MAY_INCLUDE[folder])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += MAY_INCLUDE[name]
    return seen


def lines_of(paths):
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            yield path, number, line


def show(path, number, text):
    return f"{path.relative_to(ROOT)}:{number}: {text}"


def check(found):
    assert not found, "\n" + "\n".join(found)


def test_folders_include_only_what_the_table_allows():
    found = []
    for path, number, line in lines_of(code()):
        match = re.match(r'#include "([^"]+)"', line)
        if not match or match[1].endswith(".inc"):  # generated, for the one unit that includes it
            continue
        target = match[1].split("/")[0] if "/" in match[1] else "root"
        folder = folder_of(path)
        if target not in MAY_INCLUDE:
            found.append(show(path, number, f"{match[1]} is in no folder of the table"))
        elif target not in reachable(folder):
            found.append(show(path, number, f"{folder} may not include {match[1]}"))
    check(found)


def test_each_library_is_seen_by_its_folder_alone():
    found = []
    for path, number, line in lines_of(code()):
        match = re.match(r"#include <([^>]+)>", line)
        for library, folders in LIBRARIES.items():
            if match and re.match(library, match[1]) and folder_of(path) not in folders:
                found.append(show(path, number, f"<{match[1]}> belongs to {sorted(folders)}"))
    check(found)


def test_files_are_small():
    found = []
    for path in code():
        count, limit = len(path.read_text().splitlines()), UNIT_LINES_MAX
        if path.suffix == ".hpp":
            limit = HEADER_LINES_MAX
        if count > limit:
            found.append(show(path, count, f"at most {limit} lines"))
    check(found)


def test_lines_are_short():
    check([show(path, number, f"at most {COLUMNS_MAX} columns")
           for path, number, line in lines_of(code())
           if len(line) > COLUMNS_MAX and 'R"' not in line and not is_table(path)])


def is_table(path):
    """SQL and HTML texts are data: their lines are as long as they read best."""
    return path.name in ("schema_sql.cpp", "demo_page.cpp")


def test_functions_are_short():
    found = []
    for path in code():
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            opens = re.match(r"( *)\S.*\)[^;]*\{$", line)
            if not opens or re.match(r" *(if|for|while|switch|else|do|class|struct|namespace|return)\b", line):
                continue
            end = next((i for i in range(number + 1, len(lines))
                        if re.match(r" {0,%d}\}" % len(opens[1]), lines[i])), number)
            if end - number > FUNCTION_LINES_MAX and not is_table(path):
                found.append(show(path, number + 1, f"{end - number} lines, at most {FUNCTION_LINES_MAX}"))
    check(found)


def test_shared_mutable_state_lives_in_queue_and_metrics_alone():
    check([show(path, number, "std::mutex and std::atomic belong to queue and metrics")
           for path, number, line in lines_of(code())
           if re.search(r"std::(atomic|mutex|shared_mutex|condition_variable)\b", line)
           and not line.lstrip().startswith("//") and folder_of(path) not in ("queue", "metrics")])


def test_there_are_no_macros_of_our_own():
    check([show(path, number, "a constant or a function instead") for path, number, line in lines_of(code())
           if re.match(r"\s*#\s*define\b", line)])


def test_names_say_what_a_thing_is():
    banned = re.compile(r"(^|_)(util|utils|common|helpers?|manager|impl)(_|$)")
    check([show(path, 1, "util, common, helper, manager, impl say nothing") for path in code()
           if any(banned.search(part) for part in (*path.relative_to(ROOT).parts[:-1], path.stem))])


def test_each_class_says_which_thread_it_belongs_to():
    found = []
    for path in code():
        if path.suffix != ".hpp":
            continue
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if not re.match(r"class \w+( final)?( :|( *)\{)", line):
                continue
            comment, above = [], number - 1
            while above >= 0 and (lines[above].startswith("//") or lines[above].startswith("template")):
                comment.append(lines[above])
                above -= 1
            if not any("Thread:" in text for text in comment):
                found.append(show(path, number + 1, "its comment has no `Thread:`"))
    check(found)


def test_nothing_names_this_machine_or_unfinished_work():
    words = re.compile(r"(?<![\w.])/(work|farm|root|home/\w+)/[A-Za-z.]|\b(TODO|FIXME|XXX)\b")
    tracked = [path for path in sources() if path.suffix not in (".png", ".lock", ".json", "")
               and path != pathlib.Path(__file__) and "corpus" not in path.parts]
    found = []
    for path in tracked:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [show(path, number, "no paths of a machine, no unfinished work")
                  for number, line in enumerate(text.splitlines(), 1) if words.search(line)]
    check(found)
