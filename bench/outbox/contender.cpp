#include "outbox/contender.hpp"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <thread>

namespace ringcast::bench {

namespace {

bool is_sqlite(const std::string& url) { return url.starts_with("sqlite:"); }

Result<ServerProcess> launch(const Contender& contender, const Settings& settings) {
  switch (contender.layout) {
    case Layout::ringcast: {
      std::vector<std::string> arguments = settings.arguments;
      if (is_sqlite(contender.url))
        arguments.insert(arguments.end(), {"--set", "outbox.replay_bytes_max=68719476736"});
      return ServerProcess::start(settings.server, contender.url, arguments);
    }
    case Layout::bare:
    case Layout::skip_locked:
      return ServerProcess::launch(
          {std::filesystem::read_symlink("/proc/self/exe"), "consume", "--kind",
           contender.layout == Layout::bare ? "bare" : "skip_locked", "--store", contender.url,
           "--batch", std::to_string(contender.batch)});
    case Layout::centrifugo:
      return ServerProcess::launch(
          {"python3", "bench/outbox/centrifugo.py", settings.centrifugo, contender.url});
  }
  return Error{Errc::internal, "a layout"};
}

Result<ClientSocket> ask(Result<ClientSocket> socket, const std::string& question,
                         std::string_view answer) {
  if (!socket) return socket;
  std::string frame;
  ClientSocket::append_frame(frame, question);
  if (auto sent = socket->send(frame); !sent) return sent.error();
  if (auto heard = socket->wait_for(answer); !heard) return heard.error();
  return socket;
}

}  // namespace

Result<Running> Running::start(const Contender& contender, const Settings& settings, bool gate) {
  std::optional<Database> closed;
  if (gate && contender.layout != Layout::ringcast) {
    auto database = Database::connect(contender.url);
    if (!database) return database.error();
    auto locked = database->run(
        fmt::format("begin; lock table {} in access exclusive mode", table_of(contender.layout)));
    if (!locked) return locked.error();
    closed.emplace(std::move(database).value());
  }
  auto process = launch(contender, settings);
  if (!process) return process.error();
  return Running(contender, std::move(process).value(), std::move(closed));
}

Result<ClientSocket> Running::join() {
  if (layout_ == Layout::ringcast) return join_ringcast();
  if (layout_ == Layout::centrifugo) return join_centrifugo();
  return ClientSocket::open(process_.port());
}

Result<ClientSocket> Running::join_ringcast() {
  std::string recover;
  if (!is_sqlite(url_)) {
    auto database = Database::connect(url_);
    if (!database) return database.error();
    auto epoch = database->run("select epoch from ringcast.meta");
    if (!epoch) return epoch.error();
    recover = fmt::format(R"(,"recover":{{"offset":0,"epoch":"{}"}})", cell(*epoch, 0, 0));
  }
  return ask(ClientSocket::connect(process_.port()),
             fmt::format(R"({{"type":"subscribe","room":"tenant:t0"{}}})", recover),
             recover.empty() ? "\"subscribed\"" : "\"recovered\":true");
}

Result<ClientSocket> Running::join_centrifugo() {
  auto socket = ClientSocket::open(process_.port());
  if (!socket) return socket;
  const auto request = ClientSocket::upgrade_request(process_.port(), "/connection/websocket");
  if (auto sent = socket->send(request); !sent) return sent.error();
  if (auto head = socket->wait_for_head("HTTP/1.1 101"); !head) return head.error();
  return ask(ask(std::move(socket), R"({"id":1,"connect":{}})", "\"connect\""),
             R"({"id":2,"subscribe":{"channel":"tenant:t0"}})", "\"subscribe\"");
}

Result<void> Running::open_gate() {
  if (!gate_) return {};
  auto opened = gate_->run("commit");
  gate_.reset();
  if (!opened) return opened.error();
  return {};
}

Result<std::unique_ptr<Rows>> prepare(const Contender& contender, const Settings& settings,
                                      int tenants) {
  if (contender.layout == Layout::ringcast) {
    // The tables are made by a daemon that starts once on the empty store.
    auto daemon = Running::start(contender, settings, false);
    if (!daemon) return daemon.error();
    for (int i = 0; daemon->process().metric("ringcast_outbox_ready") == 0; ++i) {
      if (i == 100) return Error{Errc::unavailable, "the daemon can not open the store"};
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  return Rows::open(contender.url, contender.layout, tenants);
}

}  // namespace ringcast::bench
