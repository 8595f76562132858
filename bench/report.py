"""Writes the tables and plots of docs/benchmarks.md from build/bench/QUESTION.json: what stands between
`<!-- bench: QUESTION -->` and `<!-- bench: end -->` is replaced, for each question that has been asked."""
import json
import re
import statistics

import matplotlib

import scenarios
from servers import ROOT

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  after the backend is chosen

PAGE = ROOT / "docs/benchmarks.md"
TITLES = {one.name: one.title for one in
          scenarios.HEADLINE + scenarios.DEMAND + scenarios.SSE + scenarios.OFFERED + scenarios.FLUSH}


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def counted(value):
    """System calls and switches a message: from hundreds of thousandths to a few."""
    return "–" if value is None or value < 0 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def delivery_row(title, entry):
    if "total_ns" not in entry:
        return [title, f"failed in {entry['failed']} of {entry['runs']} runs"] + [""] * 10
    return [title + (f" ({entry['failed']} of {entry['runs']} runs failed)" if entry["failed"] else ""),
            number(entry["total_ns"]), number(entry.get("ratio_ws"), 3), number(entry.get("ratio_bun"), 2),
            number(entry["deliveries_per_s"]), number(entry["p50_ms"], 2), number(entry["p99_ms"], 2),
            number(entry["p999_ms"], 2), number(entry["resident_bytes"] / 1024, 1),
            number(entry["anonymous_bytes"] / 1024, 1), counted(entry["syscalls"]), counted(entry["switches"])]


def shards_row(title, entry):
    row = delivery_row(title, entry)
    return [row[0], row[1], number(entry.get("ratio_ringcast-io_uring"), 2), *row[4:]]


def idle_row(title, entry):
    if "idle_cpu_us_per_s" not in entry:
        return [title, f"failed in {entry['failed']} of {entry['runs']} runs"] + [""] * 5
    return [title, number(entry["connects_per_s"]), number(entry["connect_cpu_ns"] / 1e3, 1),
            number(entry["resident_bytes"] / 1024, 2), number(entry["anonymous_bytes"] / 1024, 2),
            number(entry["idle_cpu_us_per_s"]), number(entry["idle_switches_per_s"], 1)]


DELIVERY_HEAD = ["server", "CPU ns", "to ws", "to uWebSockets", "deliveries/s", "p50 ms", "p99", "p99.9",
                 "KiB resident", "allocated", "system calls", "switches"]
IDLE_HEAD = ["server", "connections/s", "CPU µs each", "KiB resident", "allocated", "idle CPU µs/s", "switches/s"]


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def scenario_text(name, results, titles):
    is_idle = any("idle_cpu_us_per_s" in entry for entry in results.values())
    head, row = (IDLE_HEAD, idle_row) if is_idle else (DELIVERY_HEAD, delivery_row)
    if "ringcast-io_uring-2" in results:
        head, row = [*head[:2], "to one shard", *head[4:]], shards_row
    return f"**{TITLES[name]}**\n\n" + table(head, [row(titles[server], entry) for server, entry in results.items()])


def conditions(asked):
    machine, load = asked["machine"], asked["load"]
    versions = "; ".join(dict.fromkeys(asked["versions"].values()))
    text = (f"{machine['date']}: {machine['cpus']} CPUs ({machine['cpu']}), Linux {machine['kernel']}; {versions}. Medians of "
            f"{asked['rounds']} fresh starts of each server, in turn; load of the machine from {min(load):.1f} to "
            f"{max(load):.1f} (median {statistics.median(load):.1f}).")
    if asked["missing"]:
        text += f" Not installable here: {', '.join(asked['missing'])}."
    return text


def plot_cpu(asked, path):
    """CPU a delivery, per load and server; each load has its own scale from zero."""
    results, titles = asked["results"], asked["titles"]
    figure, axes = pyplot.subplots(1, len(results), figsize=(3.4 * len(results), 3.2), squeeze=False)
    for axis, (name, by_server) in zip(axes[0], results.items()):
        good = [(titles[server], entry["total_ns"]) for server, entry in by_server.items() if "total_ns" in entry]
        good.sort(key=lambda one: -one[1])
        bars = axis.barh([one[0] for one in good], [one[1] for one in good],
                         color=["#2b6cb0" if one[0].startswith("Ringcast") else "#a0aec0" for one in good])
        axis.bar_label(bars, fmt="{:,.0f}", fontsize=7, padding=2)
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.set_xticks([])
        axis.margins(x=0.3)
    figure.supxlabel("CPU nanoseconds of the server a delivered message", fontsize=8)
    save(figure, path)


def plot_offered(asked, path):
    figure, axis = pyplot.subplots(figsize=(6.5, 3.6))
    for server, title in asked["titles"].items():
        points = [(int(name.split("-")[1]) * 1000, by_server[server]["p99_ms"])
                  for name, by_server in asked["results"].items() if "p99_ms" in by_server.get(server, {})]
        axis.plot(*zip(*points), marker="o", markersize=3, label=title) if points else None
    axis.set(xscale="log", yscale="log", xlabel="deliveries a second offered", ylabel="p99 ms from the time it was due")
    axis.legend(fontsize=8)
    save(figure, path)


def flush_title(server):
    return "0" if server == "ringcast-io_uring" else server.rpartition("flush")[2]


def plot_flush(asked, path):
    """p50, p99, CPU and sends a delivery, by offered load; a line for each interval."""
    figure, axes = pyplot.subplots(1, 4, figsize=(13, 3.2))
    for axis, (key, label) in zip(axes, (("p50_ms", "p50 ms"), ("p99_ms", "p99 ms"), ("total_ns", "CPU ns a delivery"),
                                         ("sends", "sends a delivery"))):
        for server in asked["titles"]:
            points = [(int(name.split("-")[1]), by_server[server][key])
                      for name, by_server in asked["results"].items() if key in by_server.get(server, {})]
            axis.plot(*zip(*points), marker="o", markersize=3, label=flush_title(server)) if points else None
        axis.set(xscale="log", yscale="log", xlabel="publications a second to 200", title=label)
        axis.title.set_fontsize(9)
        axis.tick_params(labelsize=7)
    axes[3].legend(fontsize=8, title="flush_interval_ms", title_fontsize=8)
    save(figure, path)


FLUSH_HEAD = ["publications/s", "flush_interval_ms", "CPU ns", "sends a delivery", "p50 ms", "p99", "p99.9"]


def flush_section(asked):
    rows = [[number(int(name.split("-")[1])), flush_title(server), number(entry["total_ns"]), counted(entry["sends"]),
             number(entry["p50_ms"], 2), number(entry["p99_ms"], 2), number(entry["p999_ms"], 2)]
            for name, by_server in asked["results"].items() for server, entry in by_server.items() if "total_ns" in entry]
    plot_flush(asked, ROOT / "docs/benchmarks-flush.png")
    return f"{conditions(asked)}\n\n![flush](benchmarks-flush.png)\n\n{table(FLUSH_HEAD, rows)}"


DEFLATE_HEAD = ["server", "octets of data", "in flight", "clients", "CPU ns", "to plain", "on the wire", "to plain",
                "deliveries/s", "p50 ms", "p99"]


def deflate_section(asked):
    rows = []
    for name, by_server in asked["results"].items():
        protocol, payload, window = re.fullmatch(r"(native(?:-deflate)?)-(\d+)-w(\d+)", name).groups()
        for server, entry in by_server.items():
            plain = asked["results"].get(f"native-{payload}-w{window}", {}).get(server, {})
            if "total_ns" not in entry or "total_ns" not in plain:
                continue
            rows.append([asked["titles"][server].split(", ")[1], number(int(payload)), window,
                         "permessage-deflate" if "deflate" in protocol else "plain", number(entry["total_ns"]),
                         number(entry["total_ns"] / plain["total_ns"], 2), number(entry["octets"]),
                         number(entry["octets"] / plain["octets"], 2), number(entry["deliveries_per_s"]),
                         number(entry["p50_ms"], 2), number(entry["p99_ms"], 2)])
    return f"{conditions(asked)}\n\n{table(DEFLATE_HEAD, rows)}"


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def section(asked):
    parts = [conditions(asked)]
    question = asked["question"]
    plot = {"peers": plot_cpu, "offered": plot_offered}.get(question)
    if plot:
        plot(asked, ROOT / f"docs/benchmarks-{question}.png")
        parts.append(f"![{question}](benchmarks-{question}.png)")
    parts += [scenario_text(name, by_server, asked["titles"]) for name, by_server in asked["results"].items()]
    return "\n\n".join(parts)


# Of Google Benchmark, which gives a median only to more than one repetition.
INPROCESS_HEAD = ["load", "connections", "CPU ns", "limit", "ratio", "octets"]
MEMORY_HEAD = ["idle", "connections", "malloc", "anonymous pages", "resident"]


def inprocess_section(asked):
    context, by_name = asked["context"], {}
    for run in asked["benchmarks"]:
        if run.get("error_occurred") or run.get("aggregate_name", "median") != "median":
            continue
        by_name[run["run_name"].split("/iterations")[0]] = run  # the median comes after its repetitions
    rounds = max((run["repetitions"] for run in by_name.values()), default=0)
    loads = [[name, number(run["connections"]), number(run["total_ns"]), number(run.get("limit_ns")),
              number(run.get("ratio"), 2), number(run["octets"])] for name, run in by_name.items() if "total_ns" in run]
    memory = [[name, number(run["connections"]), number(run["malloc_bytes"]), number(run["anonymous_bytes"]),
               number(run["resident_bytes"])] for name, run in by_name.items() if "malloc_bytes" in run]
    return (f"{context['date'][:10]}: {context['num_cpus']} CPUs, medians of {rounds}; load of the machine "
            f"{context['load_avg'][0]:.1f} at the start.\n\n{table(INPROCESS_HEAD, loads)}\n\n"
            f"Octets of memory a connection:\n\n{table(MEMORY_HEAD, memory)}")


LIMIT_HEAD = ["backend", "window", "server", "ksoftirqd", "limit", "ratio", "messages a visit", "deliveries/s"]


def limit_section(asked):
    machine = asked["machine"]
    rows = [[one["backend"], number(one["window"]), number(one["server_ns"]), number(one["softirq_ns"]), number(one["limit_ns"]),
             number(one["ratio"], 2), number(one["messages_a_visit"], 1), number(one["deliveries_per_s"])]
            for one in asked["results"]]
    return f"{machine['cpus']} CPUs ({machine['cpu']}), load of the machine {machine['load'][0]:.1f} at the start.\n\n{table(LIMIT_HEAD, rows)}"


def python_section(asked):
    machine = asked["machine"]
    published = [[loop, number(one["publish_ns"]["empty"]), number(one["publish_ns"]["publish_nowait"]),
                  number(one["publish_ns"]["publish_nowait"] / one["publish_ns"]["empty"], 2)] for loop, one in asked["bridge"].items()]
    messages = [[kind, loop, number(1e3 / two["engine"], 2), number(1e3 / two["null"], 2), number(two["ratio"], 2)]
                for loop, one in asked["bridge"].items() for kind, two in one["message_ns"].items()]
    loads = [[load, server, number(one.get("per_cpu_s")), number(one.get("ratios", {}).get("picows-" + server.split("-")[-1]), 2),
              number(one.get("ratios", {}).get("ringcastd"), 2), f"{one['failed']} of {one['runs']}"]
             for load, by_server in asked["results"].items() for server, one in by_server.items()]
    woken = ", ".join(f"{one['wakeups_per_s']:g} ({name}, {one['connections']} connections)" for name, one in asked["idle"].items())
    return "\n\n".join([
        f"{machine['cpus']} CPUs ({machine['cpu']}), Python {asked['python']}, load of the machine {min(asked['load']):.1f} to"
        f" {max(asked['load']):.1f}, {asked['rounds']} rounds of {machine['date']}.",
        "CPU nanoseconds of a publish, 128 octets:", table(
            ["event loop", "empty pybind11 method", "`publish_nowait`", "ratio"], published),
        "Millions of messages a CPU-second of the loop's thread:", table(
            ["handler", "event loop", "engine", "null bridge", "ratio"], messages),
        "Messages a CPU-second of the server, all threads:", table(
            ["load", "server", "messages", "to picows on the same loop", "to ringcastd", "failed runs"], loads),
        f"Wake-ups a second of all threads together, idle: {woken}."])


def significant(value):
    return number(value) if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def outbox_section(asked):
    """Of bench_outbox: named rows with named figures, each with all its rounds."""
    columns = list(dict.fromkeys(column for row in asked["results"].values() for column in row))
    rows = [[name] + [f"{significant(row[column]['median'])} ({significant(min(row[column]['all']))} to"
                      f" {significant(max(row[column]['all']))})" if column in row else "" for column in columns]
            for name, row in asked["results"].items()]
    return (f"Load of the machine {asked['load'][0]:.1f} before and {asked['load'][1]:.1f} after; medians of {asked['repetitions']}"
            f" rounds and their range.\n\n{table(['', *columns], rows)}")


OUTBOX = ("drain", "drain-pg", "latency", "writers", "snapshot", "outbox-peers")
SECTIONS = {**dict.fromkeys(OUTBOX, outbox_section), "inprocess": inprocess_section, "limit": limit_section, "flush": flush_section,
            "deflate": deflate_section, "python": python_section}  # others are of bench/suite.py


def main():
    page = PAGE.read_text()
    for question in re.findall(r"<!-- bench: (?!end)([\w-]+) -->", page):
        path = ROOT / f"build/bench/{question}.json"
        if not path.exists():
            continue
        text = SECTIONS.get(question, section)(json.loads(path.read_text()))
        page = re.sub(rf"(<!-- bench: {question} -->\n).*?(?=<!-- bench: end -->)",
                      lambda match: f"{match[1]}{text}\n", page, count=1, flags=re.S)
        print(f"docs/benchmarks.md: {question}")
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
