// The commands that talk to a daemon, or make what a client shows to it.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

#include "daemon/commands.hpp"
#include "daemon/exit_code.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

constexpr const char* kUrl = "http://127.0.0.1:8800";

Result<SubscribeOptions> read_subscribe(Chosen& chosen) {
  auto url = parse_server_url(chosen.subscribe_url);
  if (!url) return url.error();
  SubscribeOptions options = chosen.subscribe;
  options.url = std::move(*url);
  if (!chosen.subscribe_from.empty()) {
    auto position = parse_position(chosen.subscribe_from);
    if (!position) return position.error();
    options.recover = std::move(*position);
  }
  if (chosen.subscribe_json) options.output = SubscribeOptions::Output::json;
  for (const std::string& room : options.rooms)
    if (auto checked = check_room(room, "ROOM"); !checked) return checked.error();
  return options;
}

int subscribe(Chosen& chosen) {
  auto options = read_subscribe(chosen);
  if (options) return RoomFollower(std::move(*options)).run();
  std::fputs((options.error().detail + '\n').c_str(), stderr);
  return kExitFailed;
}

void add_url(CLI::App& command, std::string& url) {
  url = kUrl;
  command.add_option("--url", url, fmt::format("where the daemon listens; default {}", kUrl))
      ->type_name("URL");
}

void add_pub(CLI::App& app, Chosen& chosen) {
  PublishOptions& options = chosen.publish;
  options.key = "dev";
  CLI::App* command = add_command(
      app, "pub", "publish one event",
      "Prints the daemon's answer, which has the event's id and, where the room has a history, "
      "its\n"
      "offset and epoch. An API key in the environment is not seen by others on this machine.\n\n"
      "Example: ringcast pub chat:1 message '{\"text\":\"hello\"}'\n"
      "         ringcast pub chat:1 message - < message.json");
  command->add_option("ROOM", options.room, "for example chat:1")->required();
  command->add_option("TYPE", options.type, "the event's type, for example message")->required();
  command->add_option("DATA", options.data, "JSON; - reads it from standard input; default null");
  add_url(*command, options.url);
  command->add_option("--key", options.key, "an API key; default dev, that of `ringcastd dev`")
      ->type_name("KEY")
      ->envname("RINGCAST_API_KEY");
  command->add_option("--exclude-user", options.exclude_user, "who does not get it")
      ->type_name("USER");
  command->add_option("--id", options.id, "the event's id; sent twice, it is published once")
      ->type_name("UUID");
  command
      ->add_option("--idempotency-key", options.idempotency_key,
                   "used twice, the first answer is given again")
      ->type_name("KEY");
  command->callback([&] { chosen.run = [&options] { return publish(options); }; });
}

void add_sub(CLI::App& app, Chosen& chosen) {
  SubscribeOptions& options = chosen.subscribe;
  CLI::App* command = add_command(
      app, "sub", "print the events of rooms",
      "One line an event: ROOM EPOCH.OFFSET TYPE DATA. What happens besides (subscribed, "
      "recovered,\n"
      "gap, connection lost) goes to standard error. After the first connection, a lost one is\n"
      "tried again until it is back, and goes on behind the last event.\n\n"
      "Example: ringcast sub chat:1 tenant:42\n"
      "         ringcast sub chat:1 --recover 0c6e57f2.17 --count 3 --json");
  command->add_option("ROOM", options.rooms, "one or more rooms")->required();
  add_url(*command, chosen.subscribe_url);
  command->add_option("--token", options.token, "a JWT; default: anonymous")
      ->type_name("JWT")
      ->envname("RINGCAST_TOKEN");
  command->add_option("--recover", chosen.subscribe_from, "begin behind this position")
      ->type_name("EPOCH.OFFSET");
  command->add_option("--count", options.count, "end after so many events; 0: never")
      ->type_name("N");
  command->add_flag("--json", chosen.subscribe_json,
                    "the daemon's own messages, also those about rooms, one a line");
  command->callback([&] { chosen.run = [&chosen] { return subscribe(chosen); }; });
}

void add_token(CLI::App& app, Chosen& chosen) {
  TokenOptions& options = chosen.token;
  CLI::App* command = add_command(
      app, "token", "make a client's token (JWT, HS256)",
      "PATTERN is a room, `prefix:*` or `*`. The secret is the value of auth.hs256_secret; it is\n"
      "read from a variable, so that it is in no list of processes.\n\n"
      "Example: ringcast token --user alice --subscribe 'tenant:42:*' --publish chat:1 \\\n"
      "           --secret-env RINGCAST_AUTH_HS256_SECRET");
  command->add_option("--user", options.user, "who it is for (sub)")->required()->type_name("USER");
  for (const auto& [name, patterns, what] :
       {std::tuple{"--subscribe", &options.subscribe, "rooms that the user may read"},
        std::tuple{"--publish", &options.publish, "rooms that the user may write to"},
        std::tuple{"--presence", &options.presence, "rooms whose users the user may see"}})
    command->add_option(name, *patterns, what)->type_name("PATTERN")->allow_extra_args(false);
  command->add_option("--ttl", options.ttl_s, "seconds until it expires; default 3600")
      ->type_name("SECONDS")
      ->check(CLI::Range(std::int64_t{1}, kTokenTtlSecondsMax));
  command->add_option("--secret-env", options.secret_variable, "the variable with the secret")
      ->required()
      ->type_name("NAME");
  command->add_option("--audience", options.audience, "aud, if the daemon asks for one");
  command->add_option("--issuer", options.issuer, "iss, if the daemon asks for one");
  command->callback([&] { chosen.run = [&options] { return make_token(options); }; });
}

}  // namespace

void add_client_commands(CLI::App& app, Chosen& chosen) {
  add_pub(app, chosen);
  add_sub(app, chosen);
  add_token(app, chosen);
}

}  // namespace ringcast
