#include "daemon/outbox_command.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "config/load.hpp"
#include "daemon/exit_code.hpp"
#include "daemon/outbox_report.hpp"
#include "daemon/printable.hpp"
#include "message/timestamp.hpp"
#include "wiring.hpp"

namespace ringcast {

namespace {

using Operator = std::unique_ptr<OutboxOperator>;

int refuse(const Error& error) {
  std::fputs((printable(error.detail) + '\n').c_str(), stderr);
  return kExitFailed;
}

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }

// Only the store's own mistakes are asked for: the secrets of a daemon may not be here.
Result<Operator> connect(const OutboxOptions& options) {
  ConfigSources sources;
  sources.environment = ringcast_environment();
  if (!options.config_file.empty()) {
    auto file = read_config_file(options.config_file);
    if (!file) return file.error();
    sources.file = std::move(*file);
  }
  if (!options.store.empty()) sources.overrides.push_back("store.url=" + options.store);
  const LoadedConfig loaded = load_config(sources);
  if (!loaded.problems.empty()) {
    std::string text = to_text(loaded.problems);
    while (text.ends_with('\n')) text.pop_back();
    return {Errc::validation, std::move(text)};
  }
  if (loaded.config.store.url.empty())
    return {Errc::validation, "which outbox? --store URL, --config FILE or RINGCAST_STORE_URL"};
  return make_operator(loaded.config.store);
}

// The dead letters that ids or filter choose, a page at a time.
Result<void> for_each_chosen(OutboxOperator& outbox, const OutboxOptions& options,
                             const std::function<Result<void>(std::int64_t)>& use) {
  for (const std::int64_t id : options.ids)
    if (auto used = use(id); !used) return used;
  if (!options.ids.empty()) return {};
  DeadLetterFilter filter = options.filter;
  filter.limit = kDeadLettersMax;
  filter.held = false;  // what waits goes on by itself, or is named
  for (;;) {
    auto page = outbox.list(filter);
    if (!page) return page.error();
    for (const DeadLetter& letter : *page)
      if (auto used = use(letter.id); !used) return used;
    if (page->size() < filter.limit) return {};
    filter.after_id = page->back().id;
  }
}

Result<void> check_choice(const OutboxOptions& options) {
  const DeadLetterFilter& filter = options.filter;
  const bool filtered =
      !filter.event_type.empty() || !filter.tenant_id.empty() || !filter.before.empty();
  if (!options.ids.empty() && (filtered || options.every))
    return {Errc::validation, "either ids, or --type, --tenant, --before and --all"};
  if (options.ids.empty() && !filtered && !options.every)
    return {Errc::validation, "which ones? ids, --type, --tenant, --before, or --all"};
  return {};
}

// A copy whose --before is a time that every store reads.
Result<OutboxOptions> checked(OutboxOptions options) {
  std::string& before = options.filter.before;
  if (before.empty()) return options;
  const auto time = parse_timestamp(before);
  if (!time) return {Errc::validation, "--before: expected RFC 3339, as 2026-01-31T12:00:00Z"};
  before = timestamp(*time);
  return options;
}

// Changes each chosen letter; goes on after one that can not be changed, ends with what was done.
int change(const OutboxOptions& given, std::string_view done_word,
           const std::function<Result<std::string>(OutboxOperator&, std::int64_t)>& act) {
  const auto options = checked(given);
  if (!options) return refuse(options.error());
  if (auto choice = check_choice(*options); !choice) return refuse(choice.error());
  auto outbox = connect(*options);
  if (!outbox) return refuse(outbox.error());
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  const auto walked = for_each_chosen(**outbox, *options, [&](std::int64_t id) -> Result<void> {
    auto acted = act(**outbox, id);
    if (acted) {
      ++done;
      print(*acted);
      return {};
    }
    if (acted.error().code == Errc::unavailable) return acted.error();
    ++failed;
    std::fputs((printable(acted.error().detail) + '\n').c_str(), stderr);
    return {};
  });
  std::fputs(fmt::format("{} {}, {} failed\n", done, done_word, failed).c_str(), stderr);
  if (!walked) return refuse(walked.error());
  return failed == 0 ? kExitOk : kExitFailed;
}

}  // namespace

int outbox_status(const OutboxOptions& options) {
  auto outbox = connect(options);
  if (!outbox) return refuse(outbox.error());
  const auto overview = (*outbox)->overview();
  if (!overview) return refuse(overview.error());
  print(options.json ? overview_json(*overview) : overview_text(*overview));
  return kExitOk;
}

int list_dead_letters(const OutboxOptions& given) {
  const auto options = checked(given);
  if (!options) return refuse(options.error());
  auto outbox = connect(*options);
  if (!outbox) return refuse(outbox.error());
  const auto letters = (*outbox)->list(options->filter);
  if (!letters) return refuse(letters.error());
  for (const DeadLetter& letter : *letters)
    print(options->json ? letter_json(letter, WithPayload::no) : letter_line(letter));
  if (letters->size() == options->filter.limit)
    std::fputs(fmt::format("{} shown, there may be more: --after {} goes on\n", letters->size(),
                           letters->back().id)
                   .c_str(),
               stderr);
  return kExitOk;
}

int show_dead_letters(const OutboxOptions& options) {
  auto outbox = connect(options);
  if (!outbox) return refuse(outbox.error());
  int code = kExitOk;
  for (const std::int64_t id : options.ids) {
    const auto letter = (*outbox)->show(id);
    if (letter)
      print(options.json ? letter_json(*letter, WithPayload::yes) : letter_text(*letter));
    else
      code = refuse(letter.error());
  }
  return code;
}

int retry_dead_letters(const OutboxOptions& options) {
  const auto pause = std::chrono::nanoseconds{1'000'000'000} / options.rate;
  Instant next = SystemClock{}.now();
  return change(options, "redriven", [&](OutboxOperator& outbox, std::int64_t id) {
    std::this_thread::sleep_until(next);
    next = std::max(next + pause, SystemClock{}.now());
    const auto row = outbox.redrive(id);
    if (!row) return Result<std::string>(row.error());
    return Result<std::string>(options.json
                                   ? fmt::format("{{\"id\":{},\"redrivenAs\":{}}}\n", id, *row)
                                   : fmt::format("{} redriven as {}\n", id, *row));
  });
}

int drop_dead_letters(const OutboxOptions& options) {
  return change(options, "dropped", [&](OutboxOperator& outbox, std::int64_t id) {
    if (auto dropped = outbox.drop(id); !dropped) return Result<std::string>(dropped.error());
    return Result<std::string>(options.json ? fmt::format("{{\"id\":{}}}\n", id)
                                            : fmt::format("{} dropped\n", id));
  });
}

int rebase_outbox(const OutboxOptions& options) {
  auto outbox = connect(options);
  if (!outbox) return refuse(outbox.error());
  const auto epoch = (*outbox)->rebase();
  if (!epoch) return refuse(epoch.error());
  print(options.json ? fmt::format("{{\"epoch\":\"{}\"}}\n", *epoch)
                     : fmt::format("epoch {}\n", *epoch));
  return kExitOk;
}

int archive_outbox(const OutboxOptions& options) {
  const auto day = parse_timestamp(options.before_day + "T00:00:00Z");
  if (!day) return refuse({Errc::validation, "--before: expected a day as 2026-01-31"});
  if (*day > SystemClock{}.wall())
    return refuse({Errc::validation, "--before: a day that has not begun, in UTC"});
  auto outbox = connect(options);
  if (!outbox) return refuse(outbox.error());
  const auto after = options.keep ? ArchiveOrder::After::keep : ArchiveOrder::After::remove;
  const auto done = (*outbox)->archive({options.before_day, options.archive_file, after});
  if (!done) return refuse(done.error());
  for (const std::string& why : done->kept) std::fputs((printable(why) + '\n').c_str(), stderr);
  print(options.json
            ? fmt::format("{{\"rows\":{}}}\n", done->rows)
            : fmt::format("{} rows written to {}{}\n", done->rows, printable(options.archive_file),
                          options.keep ? "" : " and removed"));
  return kExitOk;
}

}  // namespace ringcast
