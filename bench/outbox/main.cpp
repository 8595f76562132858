// bench_outbox: how rows of a database come to a subscriber, beside what else takes them there.
// Prints a table for people and writes JSON for machines.
#include <fmt/format.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "outbox/consumer.hpp"
#include "outbox/question.hpp"

namespace ringcast::bench {

namespace {

struct Question {
  Result<Table> (*ask)(const Settings&);
  std::uint64_t rows;
  int repetitions;
  double seconds;
};

const std::map<std::string, Question> kQuestions = {
    {"drain", {ask_drain, 1'000'000, 5, 0}}, {"latency", {ask_latency, 0, 7, 10}},
    {"writers", {ask_writers, 0, 5, 4}},     {"snapshot", {ask_snapshot, 200'000, 5, 5}},
    {"peers", {ask_peers, 200'000, 5, 0}},
};

double load() {
  double now[1] = {};
  ::getloadavg(now, 1);
  return now[0];
}

int run(const std::string& name, Settings settings, const std::string& out) {
  const Question& question = kQuestions.at(name);
  if (settings.rows == 0) settings.rows = question.rows;
  if (settings.repetitions == 0) settings.repetitions = question.repetitions;
  if (settings.seconds == 0) settings.seconds = question.seconds;
  const double load_before = load();
  const auto table = question.ask(settings);
  if (!table) return fmt::print(stderr, "{}: {}\n", name, table.error().detail), 1;
  fmt::print("{}medians of {}; load before {:.1f}, after {:.1f}\n", table->text(),
             settings.repetitions, load_before, load());
  const std::filesystem::path path(out);
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << fmt::format(
      "{{\"load\":[{:.1f},{:.1f}],\"rows\":{},\"repetitions\":{},\"results\":{}}}\n", load_before,
      load(), settings.rows, settings.repetitions, table->json());
  fmt::print("written: {}\n", out);
  return 0;
}

}  // namespace

}  // namespace ringcast::bench

int main(int argc, char** argv) {
  using namespace ringcast::bench;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Settings settings;
  std::string question = "drain";
  std::string out;
  std::string kind = "bare";
  int batch = 1'000;
  std::vector<std::string> names{"consume"};
  for (const auto& [name, one] : kQuestions) names.push_back(name);
  CLI::App app("how rows of a database come to a subscriber");
  app.add_option("question", question,
                 "drain, latency, writers, snapshot or peers; consume: be what they measure beside")
      ->check(CLI::IsMember(names));
  app.add_option("--server", settings.server, "the ringcastd to measure");
  app.add_option("--store", settings.store, "postgresql://..., an empty one; drain: or sqlite:PATH")
      ->required();
  app.add_option("--centrifugo", settings.centrifugo, "the program, as a peer");
  app.add_option("--rows", settings.rows, "of a backlog")->check(CLI::Range(1'000, 100'000'000));
  app.add_option("--repetitions", settings.repetitions)->check(CLI::Range(1, 1'000));
  app.add_option("--seconds", settings.seconds, "latency, writers, snapshot: a round")
      ->check(CLI::Range(0.1, 3'600.0));
  app.add_option("--rate", settings.rate, "latency: rows a second")->check(CLI::Range(1, 100'000));
  app.add_flag("--keep", settings.keep, "drain: the rows are there already");
  app.add_option("--kind", kind, "consume")->check(CLI::IsMember({"bare", "skip_locked"}));
  app.add_option("--batch", batch, "consume: rows at once")->check(CLI::Range(1, 100'000));
  app.add_option("--out", out, "JSON; default build/bench/QUESTION.json");
  app.add_option("server arguments", settings.arguments, "after --");
  CLI11_PARSE(app, argc, argv);
  if (question == "consume") return consume(kind, settings.store, batch);
  return run(question, std::move(settings),
             out.empty() ? "build/bench/" + question + ".json" : out);
}
