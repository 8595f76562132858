#include "application.hpp"

#include <utility>

#include "application_thread.hpp"
#include "message/json.hpp"

namespace ringcast {

std::string_view CallContext::user() const {
  return mail_.identity ? std::string_view(mail_.identity->user) : std::string_view();
}

Result<Appended> CallContext::publish(std::string_view room, std::string_view type,
                                      std::string_view data, std::string_view exclude_user,
                                      std::string_view key) {
  if (auto checked = check_json(data, JsonShape::any, "data"); !checked) return checked.error();
  PublishAsk ask;
  ask.room = room;
  ask.type = type;
  ask.data = data;
  ask.exclude_user = exclude_user;
  ask.key = key;
  return thread_.publish(std::move(ask));
}

Result<PresenceListMail> CallContext::presence(std::string_view room, std::string_view after,
                                               std::uint32_t limit) {
  return thread_.presence(room, after, limit);
}

Result<HistoryPage> CallContext::history(std::string_view room, std::optional<Position> after,
                                         std::uint32_t limit) {
  return thread_.history({std::string(room), std::move(after), limit});
}

Result<void> Application::add(Result<HandlerIndex> row, Handler handler, Hook hook) {
  if (!row) return row.error();
  rows_.push_back({std::move(handler), std::move(hook)});
  return {};
}

Result<void> Application::on(std::string_view event, Handler handler, CallOptions options) {
  return add(table_.add_call(event, options.per_connection, options.per_user), std::move(handler),
             {});
}

Result<void> Application::on_session_token(TokenHook hook) {
  return add(
      table_.add_hook(HookKind::session_token), {},
      [hook = std::move(hook)](const HookMail& mail) -> Result<std::shared_ptr<const Identity>> {
        auto identity = hook(mail.subject);
        if (!identity) return identity.error();
        return std::make_shared<const Identity>(std::move(*identity));
      });
}

Result<void> Application::on_connect(ConnectHook hook) {
  return add(
      table_.add_hook(HookKind::connect), {},
      [hook = std::move(hook)](const HookMail& mail) -> Result<std::shared_ptr<const Identity>> {
        if (auto verdict = hook(*mail.identity); !verdict) return verdict.error();
        return std::shared_ptr<const Identity>();
      });
}

Result<void> Application::on_authorize(std::string_view pattern, AuthorizeHook hook) {
  return add(
      table_.add_authorize(pattern), {},
      [hook = std::move(hook)](const HookMail& mail) -> Result<std::shared_ptr<const Identity>> {
        if (auto verdict = hook(*mail.identity, mail.subject); !verdict) return verdict.error();
        return std::shared_ptr<const Identity>();
      });
}

Result<void> Application::on_disconnect(DisconnectHook hook) {
  return add(
      table_.add_hook(HookKind::disconnect), {},
      [hook = std::move(hook)](const HookMail& mail) -> Result<std::shared_ptr<const Identity>> {
        hook(*mail.identity, mail.subject);
        return std::shared_ptr<const Identity>();
      });
}

CallOutcome Application::call(HandlerIndex row, CallContext& context) const {
  return rows_[row.value].handler(context);
}

Result<std::shared_ptr<const Identity>> Application::ask(const HookMail& mail) const {
  return rows_[mail.handler.value].hook(mail);
}

}  // namespace ringcast
