#include "unit/hub/hub_world.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "protocol/native_frames.hpp"
#include "wire/deflate.hpp"
#include "wire/websocket_frame.hpp"

namespace ringcast {

namespace {

constexpr std::uint64_t kSourceCredits = 64;

std::vector<std::string> strings(simdjson::dom::element list) {
  std::vector<std::string> out;
  for (const auto entry : list.get_array()) out.emplace_back(std::string_view(entry));
  return out;
}

void decode_field(Seen& seen, std::string_view key, simdjson::dom::element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    if (key == "type") seen.type = text;
    if (key == "room") seen.room = text;
    if (key == "epoch") seen.epoch = text;
    if (key == "id" || key == "eventId") seen.id = text;
    if (key == "code") seen.code = text;
    if (key == "reason") seen.reason = text;
  }
  if (key == "data") seen.data = simdjson::minify(value);
  if (key == "offset") seen.offset = std::uint64_t(value);
  if (key == "from") seen.from = std::uint64_t(value);
  if (key == "to") seen.to = std::uint64_t(value);
  if (key == "count") seen.count = std::uint64_t(value);
  if (key == "recovered") seen.recovered = bool(value);
  if (key == "users") seen.users = strings(value);
  if (key == "joined") seen.joined = strings(value);
  if (key == "left") seen.left = strings(value);
}

Seen decode(std::string_view json) {
  simdjson::dom::parser parser;
  Seen seen;
  for (const auto field : parser.parse(json.data(), json.size()).get_object())
    decode_field(seen, field.key, field.value);
  return seen;
}

// Takes one whole frame of a server off the front; nothing if it is not whole yet.
std::optional<std::string> take_frame(std::string& wire) {
  if (wire.size() < 2) return std::nullopt;
  const auto octet = [&](std::size_t at) { return static_cast<std::uint8_t>(wire[at]); };
  const bool compressed = octet(0) == 0xc1;
  EXPECT_TRUE(octet(0) == 0x81 || compressed) << "not the begin of a text frame: the stream is cut";
  std::uint64_t size = octet(1);
  std::size_t header = 2;
  if (size >= 126) {
    const std::size_t extra = size == 126 ? 2 : 8;
    if (wire.size() < header + extra) return std::nullopt;
    size = 0;
    for (std::size_t i = 0; i < extra; ++i) size = size << 8 | octet(2 + i);
    header += extra;
  }
  if (wire.size() < header + size) return std::nullopt;
  std::string json = wire.substr(header, size);
  wire.erase(0, header + size);
  if (!compressed) return json;
  std::string inflated;
  wire::Inflater inflater;
  EXPECT_EQ(inflater.feed(json, inflated, 1 << 20), wire::Inflater::Verdict::ok);
  EXPECT_EQ(inflater.finish(inflated, 1 << 20), wire::Inflater::Verdict::ok);
  return inflated;
}

}  // namespace

std::vector<std::string> events_of(const std::vector<Seen>& seen) {
  std::vector<std::string> out;
  for (const Seen& message : seen)
    if (!message.data.empty()) out.push_back(fmt::format("{}:{}", message.offset, message.data));
  return out;
}

// ---- clients ------------------------------------------------------------------------------------

Result<void> Client::subscribe(std::string_view room, std::optional<Position> recover) {
  return world_->hub(session.id.shard.value)
      .subscribe(session, next_tag++, room, std::move(recover), world_->now());
}

Result<void> Client::unsubscribe(std::string_view room) {
  return world_->hub(session.id.shard.value).unsubscribe(session, room);
}

Result<void> Client::publish(std::string_view room, std::string_view data, PublishAsk more) {
  more.room = room;
  more.type = "test";
  more.data = std::make_shared<const std::string>(data);
  return world_->hub(session.id.shard.value)
      .publish(session, next_tag++, std::move(more), world_->clock_.wall(), Hub::Authority::grants);
}

Result<void> Client::view(std::string_view room, PresenceMail::Action action) {
  return world_->hub(session.id.shard.value).view(session, room, action);
}

void Client::close() {
  if (!open) return;
  open = false;
  world_->hub(session.id.shard.value).close(session);
}

void Client::unblock() {
  window = SIZE_MAX;
  session.queue.unblock();
  world_->hub(session.id.shard.value).audience().mark_dirty(session);
}

std::vector<Seen> Client::take() {
  std::vector<Seen> out;
  while (auto json = take_frame(wire)) out.push_back(decode(*json));
  return out;
}

std::vector<Seen> Client::take(std::string_view type, std::string_view room) {
  std::vector<Seen> all = take();
  std::erase_if(all, [&](const Seen& seen) {
    return !seen.type.starts_with(type) || (!room.empty() && seen.room != room);
  });
  return all;
}

// ---- the world ----------------------------------------------------------------------------------

Config World::config() {
  Config config;
  config.store.url = "sqlite:unused";
  NamespaceConfig log;
  log.name = "log";
  log.history = HistoryKind::store;
  NamespaceConfig plain;
  plain.name = "plain";
  plain.history = HistoryKind::none;
  config.namespaces = {log, plain};
  with_default_namespaces(config);
  return config;
}

NamespaceConfig& World::row(Config& config, std::string_view name) {
  const auto found = std::find_if(config.namespaces.begin(), config.namespaces.end(),
                                  [&](const NamespaceConfig& ns) { return ns.name == name; });
  ensure(found != config.namespaces.end(), "no such namespace in this test");
  return *found;
}

World::World(Config config, std::uint32_t shards, Handlers handlers)
    : config_(std::move(config)), handlers_(std::move(handlers)) {
  handlers_.answered_by({shards}, 1);
  for (std::uint32_t i = 0; i < shards; ++i) shards_.push_back(std::make_unique<Shard>());
  for (std::uint32_t i = 0; i < shards; ++i) {
    std::vector<ShardSender> others;
    for (std::uint32_t j = 0; j < shards; ++j)
      others.push_back(i == j ? ShardSender()
                              : shards_[j]->mailbox.open(config_.engine.mailbox_max));
    others.push_back(port_mailbox_.open(config_.engine.mailbox_max));
    Mesh mesh({i}, std::move(others), source_mailbox_.open(kSourceCredits),
              config_.engine.mailbox_max, 1);
    shards_[i]->metrics.handlers.resize(handlers_.size());
    shards_[i]->hub =
        std::make_unique<Hub>(config_, handlers_, std::move(mesh), shards_[i]->metrics);
    source_.push_back(shards_[i]->mailbox.open(kSourceCredits));
    port_.push_back(shards_[i]->mailbox.open(kSourceCredits));
  }
  source_waiting_.resize(shards);
}

World::~World() {
  for (const auto& client : clients_) client->close();
  for (const auto& shard : shards_) shard->hub.reset();  // before the mailboxes of the others
  source_.clear();
  port_.clear();
}

Client& World::connect(std::uint32_t shard, std::string user, Encoding encoding) {
  Shard& at = *shards_[shard];
  const ConnectionId id{{shard}, {at.next_slot++, 1}};
  clients_.push_back(std::make_unique<Client>(*this, id, encoding, *this));
  Client& client = *clients_.back();
  at.hub->open(client.session);
  at.hub->audience().identify(client.session, std::make_shared<const Identity>(
                                                  Identity{std::move(user), Grants::all(), {}}));
  return client;
}

std::string World::room_at(std::uint32_t shard, std::string_view prefix) const {
  for (std::uint32_t i = 0;; ++i) {
    std::string room = fmt::format("{}:{}", prefix, i);
    if (home_shard(room, shards()).value == shard) return room;
  }
}

void World::fill_mailbox(std::uint32_t from, std::uint32_t to) {
  Mesh& mesh = shards_[from]->hub->mesh();
  while (mesh.try_send({to}, LeaveMail{"nobody:here", {from}})) {
  }
}

std::size_t World::drain(Shard& shard) {
  return shard.receiver.drain(
      1'024, [&](ShardMail&& mail) { return shard.hub->handle(std::move(mail), now()); });
}

// As the loop of a shard does it.
void World::tick(std::uint32_t index) {
  Shard& shard = *shards_[index];
  if (shard.stalled) return;
  drain(shard);
  shard.hub->run(now());
  shard.hub->handle_local(1'024, now());
  shard.hub->mesh().wake_touched();
  shard.hub->audience().flush_rooms(now(), clock_.wall());
  flush(shard);
  shard.hub->audience().end_tick();
  shard.hub->mesh().wake_touched();
}

void World::flush(Shard& shard) {
  std::vector<Session*> dirty;
  dirty.swap(shard.hub->audience().dirty());
  for (Session* session : dirty) {
    session->dirty = false;
    Client& client = of(*session);
    send(client);
    if (!session->closing || !client.open) continue;
    client.ended = session->closing;
    client.close();
  }
}

void World::send(Client& client) {
  SendQueue& queue = client.session.queue;
  std::vector<iovec> parts;
  queue.gather(parts, 64);
  std::size_t octets = 0;
  for (const iovec& part : parts) {
    const std::size_t taken = std::min(part.iov_len, client.window - octets);
    client.wire.append(static_cast<const char*>(part.iov_base), taken);
    octets += taken;
    if (taken == part.iov_len) continue;
    client.window = 0;
    queue.sent_part(octets);
    shards_[client.session.id.shard.value]->hub->audience().note_losses(client.session);
    return;
  }
  if (client.window != SIZE_MAX) client.window -= octets;
  if (parts.empty()) return;
  queue.sent_all(parts.size());
  if (!queue.empty() && !queue.blocked())
    shards_[client.session.id.shard.value]->hub->audience().mark_dirty(client.session);
}

bool World::is_quiet(std::uint32_t index) const {
  Shard& shard = *shards_[index];
  if (shard.stalled) return true;
  return shard.receiver.size_approx() == 0 && !shard.receiver.has_refused() &&
         !shard.hub->mesh().has_local() && !shard.hub->has_unsent() &&
         shard.hub->audience().dirty().empty();
}

void World::settle() {
  for (int quiet_rounds = 0, rounds = 0; quiet_rounds < 2; ++rounds) {
    const bool moved = flush_source();
    bool quiet = !moved;
    for (std::uint32_t i = 0; i < shards(); ++i) quiet = is_quiet(i) && quiet;
    for (std::uint32_t i = 0; i < shards(); ++i) tick(i);
    quiet_rounds = quiet ? quiet_rounds + 1 : 0;
    if (rounds > 2'000) return;  // something waits for a stalled shard
  }
}

void World::advance(Millis by) {
  clock_.advance(by);
  settle();
}

// ---- the source ---------------------------------------------------------------------------------

void World::send_from_source(std::uint32_t shard, ShardMail mail) {
  source_waiting_[shard].push_back(std::move(mail));
  flush_source();
}

bool World::flush_source() {
  bool moved = false;
  for (std::uint32_t i = 0; i < shards(); ++i)
    while (!source_waiting_[i].empty() &&
           source_[i].try_send(std::move(source_waiting_[i].front()))) {
      source_waiting_[i].pop_front();
      moved = true;
    }
  return moved;
}

bool World::source_waits() const {
  return std::any_of(source_waiting_.begin(), source_waiting_.end(),
                     [](const auto& waiting) { return !waiting.empty(); });
}

void World::store_state(const Epoch& epoch, Offset floor, Offset top, bool ready) {
  for (std::uint32_t i = 0; i < shards(); ++i)
    send_from_source(i, StoreStateMail{epoch, floor, top, ready});
}

void World::store_event(std::string_view room, Offset offset, std::string_view exclude,
                        std::string_view key) {
  const std::string data = fmt::format("{}", offset);
  const Event fields{Uuid::random(), {}, "row", data, {}, exclude, key, offset};
  send_from_source(home_shard(room, shards()).value,
                   StoredMail{make_events(fields, std::span(&room, 1))});
}

void World::store_position(Offset offset) {
  for (std::uint32_t i = 0; i < shards(); ++i) send_from_source(i, StorePositionMail{offset});
}

std::vector<ShardMail> World::take_port_mail() {
  std::vector<ShardMail> out;
  port_receiver_.drain(SIZE_MAX, [&](ShardMail&& mail) {
    if (const auto* places = std::get_if<PlacesMail>(&mail))
      port_[places->shard.value].send_reserved(PlacesMail(*places));
    else
      out.push_back(std::move(mail));
    return true;
  });
  return out;
}

void World::send_from_port(std::uint32_t shard, ShardMail mail) {
  port_[shard].send_reserved(std::move(mail));
  settle();
}

std::vector<SourceMail> World::take_source_mail() {
  std::vector<SourceMail> out;
  source_receiver_.drain(SIZE_MAX, [&](SourceMail&& mail) {
    out.push_back(std::move(mail));
    return true;
  });
  return out;
}

// ---- what a peer does ---------------------------------------------------------------------------

Client& World::of(const Session& session) {
  const auto found = std::find_if(clients_.begin(), clients_.end(),
                                  [&](const auto& client) { return &client->session == &session; });
  ensure(found != clients_.end(), "a session without its client");
  return **found;
}

void World::write(Session& session, std::string_view json) {
  std::string frame;
  wire::append_frame(frame, wire::WebsocketOpcode::text, json);
  shards_[session.id.shard.value]->hub->audience().reply(session, frame);
}

void World::subscribed(Session& session, std::uint64_t, const SubscribedMail& answer) {
  ++of(session).answers;
  std::string json;
  if (answer.error)
    protocol::append_error(json, *answer.error, {});
  else
    protocol::append_subscribed(
        json, {answer.room, answer.at.offset, answer.at.epoch, answer.recovered}, {});
  write(session, json);
}

void World::published(Session& session, std::uint64_t, const PublishedMail& answer) {
  ++of(session).answers;
  of(session).published.push_back(answer);
}

void World::presence_list(Session& session, std::uint64_t, const PresenceListMail& answer) {
  ++of(session).answers;
  of(session).pages.push_back(answer);
}

void World::read_now(Session& session, std::uint64_t, const ReadNowAnswerMail&) {
  ++of(session).answers;
}

void World::admin_answer(Session& session, std::uint64_t, const AdminAnswerMail& answer) {
  ++of(session).answers;
  if (answer.outcome)
    of(session).told.push_back(*answer.outcome.value());
  else
    of(session).refused.push_back(answer.outcome.error());
}

void World::call_answered(Session& session, std::uint64_t tag, const CallResult& result,
                          const Uuid&) {
  of(session).acks.emplace_back(tag, result);
}

void World::hook_answered(Session& session, std::uint64_t, HookKind,
                          const Result<std::shared_ptr<const Identity>>& verdict) {
  of(session).verdicts.push_back(verdict);
}

void World::unsubscribed(Session& session, std::string_view room, std::string_view reason) {
  std::string json;
  protocol::append_unsubscribed(json, room, reason, {});
  write(session, json);
}

}  // namespace ringcast
