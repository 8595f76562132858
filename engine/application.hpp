// Handlers in C++: what a program that embeds the engine answers to its clients.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/identity.hpp"
#include "hub/handlers.hpp"
#include "message/admin.hpp"
#include "message/call_fields.hpp"
#include "message/mail.hpp"

namespace ringcast {

class ApplicationThread;

// One call of a client, while its handler runs.
//
// Thread: the application thread that the handler runs on. Lives during the handler.
class CallContext final {
 public:
  CallContext(ApplicationThread& thread, const CallMail& mail) : thread_(thread), mail_(mail) {}

  // Empty: anonymous.
  [[nodiscard]] std::string_view user() const;
  [[nodiscard]] const ConnectionId& connection() const { return mail_.caller.connection; }
  // Whether the connection was subscribed to the room when it called.
  [[nodiscard]] bool joined(std::string_view room) const { return mail_.rooms->contains(room); }
  // What the client sent: JSON text, whole and valid.
  [[nodiscard]] std::string_view data() const { return *mail_.data; }
  [[nodiscard]] std::string_view idempotency_key() const { return mail_.idempotency_key; }
  [[nodiscard]] const Uuid& correlation_id() const { return mail_.correlation_id; }

  // The rooms that the connection was subscribed to when it called.
  [[nodiscard]] const RoomSet& rooms() const { return *mail_.rooms; }

  // Each waits for the answer, and for app.answer_ms at most: then Errc::unavailable.
  // `data` is JSON text; the error names what is wrong with it.
  Result<Appended> publish(std::string_view room, std::string_view type, std::string_view data,
                           std::string_view exclude_user = {}, std::string_view key = {});
  Result<PresenceListMail> presence(std::string_view room, std::string_view after = {},
                                    std::uint32_t limit = 100);
  // The events behind a position, oldest first; without one, the newest.
  Result<HistoryPage> history(std::string_view room, std::optional<Position> after = {},
                              std::uint32_t limit = 100);

 private:
  ApplicationThread& thread_;
  const CallMail& mail_;
};

// The data of the ack, as JSON text; "null" if there is nothing to say. Otherwise why the call
// failed, with every field that is wrong.
using CallOutcome = std::variant<std::string, CallError>;

struct CallOptions {
  RateLimit per_connection;
  RateLimit per_user;
};

// What of an application the engine runs: functions by the names that clients call, and hooks. They
// run on app.threads threads, all that one user asks on the same one and in its order. A function
// that throws, whose answer is no JSON, or whose own code has another form (check_own_code()) is
// INTERNAL_ERROR to the client; the log has why.
//
// Thread: filled by one, then given to Engine::start(); its functions are called by the application
// threads. At most Handlers::kHandlersMax of them.
class Application final {
 public:
  using Handler = std::function<CallOutcome(CallContext&)>;
  using TokenHook = std::function<Result<Identity>(std::string_view token)>;
  using ConnectHook = std::function<Result<void>(const Identity& identity)>;
  using AuthorizeHook =
      std::function<Result<void>(const Identity& identity, std::string_view room)>;
  using DisconnectHook = std::function<void(const Identity& identity, std::string_view reason)>;

  // Each error says what is wrong with the name, the rule, or that it is there already.
  Result<void> on(std::string_view event, Handler handler, CallOptions options = {});
  // The same with the data as a type of the program's, read by its `void read_fields(CallFields&,
  // Message&)`; what is wrong is answered without the handler.
  template <class Message, class Function>
  Result<void> on(std::string_view event, Function handler, CallOptions options = {}) {
    return on(
        event,
        [handler = std::move(handler)](CallContext& call) mutable -> CallOutcome {
          Message message{};
          CallFields fields(call.data());
          read_fields(fields, message);
          if (auto error = fields.error()) return *std::move(error);
          return handler(call, std::as_const(message));
        },
        std::move(options));
  }
  // Who has this opaque token? One of three base64url parts is a JWT and not asked about.
  Result<void> on_session_token(TokenHook hook);
  Result<void> on_connect(ConnectHook hook);
  // Subscriptions to rooms of the pattern: the application decides instead of the token's grants.
  Result<void> on_authorize(std::string_view pattern, AuthorizeHook hook);
  Result<void> on_disconnect(DisconnectHook hook);

  [[nodiscard]] bool empty() const { return table_.empty(); }
  [[nodiscard]] const Handlers& table() const { return table_; }
  // The function of a row.
  [[nodiscard]] CallOutcome call(HandlerIndex row, CallContext& context) const;
  [[nodiscard]] Result<std::shared_ptr<const Identity>> ask(const HookMail& mail) const;

 private:
  using Hook = std::function<Result<std::shared_ptr<const Identity>>(const HookMail&)>;
  Result<void> add(Result<HandlerIndex> row, Handler handler, Hook hook);

  struct Row {
    Handler handler;
    Hook hook;
  };
  Handlers table_;
  std::vector<Row> rows_;  // as in the table
};

}  // namespace ringcast
