// A program that embeds the engine and answers its clients: the one of docs/handlers.md, with what
// the tests beside it ask of it. Takes `--config FILE --listen ADDRESS`, as the daemon does.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "config/load.hpp"
#include "daemon/stop_signals.hpp"
#include "engine.hpp"
#include "message/json.hpp"

namespace {

using namespace ringcast;

// docs: handlers
struct Send {
  std::string client_id;
  std::string body;
};

void read_fields(CallFields& in, Send& out) {
  in.read("clientId", out.client_id, {1, 64}).read("body", out.body, {1, 10'000});
}

CallOutcome send_message(CallContext& call, const Send& message) {
  if (!call.joined("chat:1")) return CallError{Errc::forbidden, "not in the chat", {}};
  if (message.body == "spam")
    return CallError{"SPAM_SUSPECTED", "the words are on the list", {}};  // a code of its own
  const auto sent = call.publish("chat:1", "message:new", call.data());
  if (!sent) return CallError{sent.error().code, sent.error().detail, {}};
  std::string answer = "{";
  append_json_field(answer, "clientId", message.client_id);
  append_json_field(answer, "serverId", sent->id.text());
  return answer + "}";
}

Application chat() {
  using std::chrono::seconds;
  Application app;
  std::vector<Result<void>> added;
  added.push_back(
      app.on<Send>("message:send", send_message, {{}, RateLimit::sliding(10, seconds(10))}));
  added.push_back(app.on("presence:ping", [](CallContext&) -> CallOutcome { return "null"; }));
  added.push_back(
      app.on_authorize("chat:*", [](const Identity& who, std::string_view room) -> Result<void> {
        if (room == "chat:1" && !who.user.empty()) return {};
        return {Errc::forbidden, "no member of this chat"};
      }));
  for (const auto& one : added)
    if (!one) throw std::invalid_argument(one.error().detail);
  return app;
}
// docs: end

CallOutcome newest(CallContext& call) {
  const auto page = call.history("chat:1", std::nullopt, 2);
  if (!page) return CallError{page.error().code, page.error().detail, {}};
  std::string json;
  for (const EventRef& event : page->events) (json += json.empty() ? "[" : ",") += event->data;
  return json.empty() ? "[]" : json + "]";
}

CallOutcome who(CallContext& call) {
  std::string json = R"({"user":)";
  append_json_string(json, call.user());
  const auto page = call.presence("lobby");
  if (!page) return CallError{page.error().code, page.error().detail, {}};
  return json + R"(,"present":)" + std::to_string(page->users.size()) + "}";
}

Application tested() {
  Application app = chat();
  int counted = 0;
  std::vector<Result<void>> added;
  added.push_back(app.on("count", [counted](CallContext&) mutable -> CallOutcome {
    return std::to_string(++counted);
  }));
  added.push_back(
      app.on("echo", [](CallContext& call) -> CallOutcome { return std::string(call.data()); }));
  added.push_back(app.on("who", who));
  added.push_back(app.on("newest", newest));
  added.push_back(app.on("throw", [](CallContext&) -> CallOutcome {
    throw std::runtime_error("SELECT secret FROM /etc/shadow");
  }));
  added.push_back(app.on("no code", [](CallContext&) -> CallOutcome {
    return CallError{"no code", "", {}};
  }));
  added.push_back(app.on("no json", [](CallContext&) -> CallOutcome { return "{"; }));
  added.push_back(app.on("later", [](CallContext&) -> CallOutcome {
    return CallError{Errc::unavailable, "the store is away", {}};
  }));
  added.push_back(app.on("rare", [](CallContext&) -> CallOutcome { return "1"; },
                         {RateLimit::bucket(2, std::chrono::hours(1)), {}}));
  added.push_back(app.on_session_token([](std::string_view token) -> Result<Identity> {
    if (!token.starts_with("session-")) return {Errc::unauthorized, "no such session"};
    return Identity{std::string(token.substr(8)), Grants::all(), {}};
  }));
  added.push_back(app.on_connect([](const Identity& identity) -> Result<void> {
    if (identity.user == "mallory") return {Errc::forbidden, "banned until Monday"};
    return {};
  }));
  added.push_back(app.on_disconnect([](const Identity& identity, std::string_view reason) {
    log::info("told: {} left, {}", identity.user, reason);
  }));
  for (const auto& one : added)
    if (!one) throw std::invalid_argument(one.error().detail);
  return app;
}

}  // namespace

int main(int count, char** arguments) {
  block_stop_signals();
  ConfigSources sources;
  for (int i = 1; i + 1 < count; ++i) {
    const std::string name = arguments[i], value = arguments[i + 1];
    if (name == "--config") sources.file = *read_config_file(value);
    if (name == "--listen") sources.overrides.push_back("listen.address=" + value);
    if (name == "--engine") sources.overrides.push_back("engine.backend=" + value);
  }
  LoadedConfig loaded = load_config(sources);
  if (!loaded.problems.empty()) return std::fprintf(stderr, "%s", to_text(loaded.problems).c_str());
  log::configure(loaded.config.log.level, loaded.config.log.format);
  auto engine = Engine::start(std::move(loaded.config), tested());
  if (!engine) return std::fprintf(stderr, "%s\n", engine.error().detail.c_str());
  std::printf("listening on http://%s\n", (*engine)->address().c_str());
  std::fflush(stdout);
  std::ignore = wait_for_stop_signal();
  (*engine)->request_stop(Engine::Stop::goes_away);
  (*engine)->join();
  return 0;
}
