#include "base/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace ringcast::log {

namespace {

constexpr const char* kHumanLine = "%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v";
constexpr const char* kJsonLine = R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l","message":"%v"})";

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

Level from_spdlog(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return Level::debug;
  if (level == spdlog::level::info) return Level::info;
  return level == spdlog::level::warn ? Level::warning : Level::error;
}

// Standard error, and before it whoever has been put in front of it last.
//
// Thread: any, by the lock of its base. Lives as long as the process.
class Outlet final : public spdlog::sinks::dist_sink_mt {
 public:
  Outlet() { add_sink(std::make_shared<spdlog::sinks::stderr_color_sink_mt>()); }

 private:
  void sink_it_(const spdlog::details::log_msg& line) override { sinks_.back()->log(line); }
};

const std::shared_ptr<Outlet>& outlet() {
  static const auto instance = std::make_shared<Outlet>();
  return instance;
}

spdlog::logger& logger() {
  // The process has one standard error, hence one logger; configure() sets it up before any thread.
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("ringcast", outlet());
    made->set_pattern(kHumanLine, spdlog::pattern_time_type::utc);
    return made;
  }();
  return *instance;
}

bool& json_lines() {
  static bool json = false;  // written by configure() only, before threads start
  return json;
}

// The octets of the UTF-8 character at the front of `text` (RFC 3629 section 4); 0: there is none.
std::size_t utf8_length(std::string_view text) {
  const auto octet = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto continues = [&octet](std::size_t i) { return (octet(i) & 0xc0) == 0x80; };
  const unsigned first = octet(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    const bool too_long = first == 0xe0 && octet(1) < 0xa0;
    const bool surrogate = first == 0xed && octet(1) >= 0xa0;
    return continues(1) && continues(2) && !too_long && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first < 0xf5) {
    const bool too_long = first == 0xf0 && octet(1) < 0x90;
    const bool too_large = first == 0xf4 && octet(1) >= 0x90;
    return continues(1) && continues(2) && continues(3) && !too_long && !too_large ? 4 : 0;
  }
  return 0;
}

// JSON string rules serve the human form too: what they escape is what could forge a line. C1
// controls are escaped as well, since terminals obey them, and what is no UTF-8 is replaced, since
// no reader of JSON takes it.
std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    const bool c1 = length == 2 && byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (length == 0)
      out += "\\ufffd";
    else if (c1 || byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[length - 1]));
    else if (json_lines() && (byte == '"' || byte == '\\'))
      (out += '\\') += text[0];
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace

void configure(Level level, Format format) {
  json_lines() =
      format == Format::json || (format == Format::automatic && ::isatty(STDERR_FILENO) == 0);
  logger().set_pattern(json_lines() ? kJsonLine : kHumanLine, spdlog::pattern_time_type::utc);
  logger().set_level(to_spdlog(level));
  logger().flush_on(spdlog::level::debug);
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view text) { logger().log(to_spdlog(level), escaped(text)); }

// Its function as spdlog knows sinks: the line is no text yet.
class Redirect::Sink final : public spdlog::sinks::sink {
 public:
  explicit Sink(std::function<void(Level, std::string_view)> function)
      : function_(std::move(function)) {}
  void log(const spdlog::details::log_msg& line) override {
    function_(from_spdlog(line.level), {line.payload.data(), line.payload.size()});
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  std::function<void(Level, std::string_view)> function_;
};

Redirect::Redirect(std::function<void(Level, std::string_view)> function)
    : sink_(std::make_shared<Sink>(std::move(function))) {
  outlet()->add_sink(sink_);
}

Redirect::~Redirect() { outlet()->remove_sink(sink_); }

bool Limiter::allow() {
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::steady_clock::now().time_since_epoch())
                          .count();
  if (second != second_) {
    second_ = second;
    in_this_second_ = 0;
  }
  if (in_this_second_ < per_second_max_) {
    ++in_this_second_;
    return true;
  }
  ++suppressed_;
  return false;
}

std::uint64_t Limiter::take_suppressed() { return std::exchange(suppressed_, 0); }

}  // namespace ringcast::log
