#include "base/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>

namespace ringcast::log {

namespace {

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

spdlog::logger& logger() {
  // The process has one standard error, hence one logger; configure() sets it up before any thread.
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>(
        "ringcast", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return *instance;
}

bool& json_lines() {
  static bool json = false;  // written by configure() only, before threads start
  return json;
}

// JSON string rules serve the human form too: what they escape is what could forge a line.
std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04x}", byte);
    else if (json_lines() && (c == '"' || c == '\\'))
      (out += '\\') += c;
    else
      out += c;
  }
  return out;
}

}  // namespace

void configure(Level level, Format format) {
  json_lines() = format == Format::json;
  if (json_lines())
    logger().set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l","message":"%v"})",
                         spdlog::pattern_time_type::utc);
  logger().set_level(to_spdlog(level));
  logger().flush_on(spdlog::level::debug);
}

Result<Level> parse_level(std::string_view text) {
  if (text == "debug") return Level::debug;
  if (text == "info") return Level::info;
  if (text == "warning") return Level::warning;
  if (text == "error") return Level::error;
  return {Errc::validation,
          fmt::format("'{}' is not a log level: expected debug, info, warning or error", text)};
}

Result<Format> parse_format(std::string_view text) {
  if (text == "human") return Format::human;
  if (text == "json") return Format::json;
  return {Errc::validation, fmt::format("'{}' is not a log format: expected human or json", text)};
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view text) { logger().log(to_spdlog(level), escaped(text)); }

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
