// The commands of an operator, who has the store and no daemon.
#include <fmt/format.h>

#include "daemon/commands.hpp"

namespace ringcast {

namespace {

void add_store(CLI::App& command, OutboxOptions& options) {
  command.add_option("--store", options.store, "sqlite:PATH or postgresql://...")->type_name("URL");
  command
      .add_option("-c,--config", options.config_file, "the daemon's TOML file, for its store.url")
      ->type_name("FILE");
  command.add_flag("--json", options.json, "JSON, one object a line");
}

void add_filter(CLI::App& command, OutboxOptions& options) {
  command.add_option("--type", options.filter.event_type, "of this event type")->type_name("TYPE");
  command.add_option("--tenant", options.filter.tenant_id, "of this tenant")->type_name("TENANT");
  command.add_option("--before", options.filter.before, "that failed last before this time")
      ->type_name("RFC3339");
}

void add_choice(CLI::App& command, OutboxOptions& options) {
  command.add_option("ID", options.ids, "rows, as `list` names them");
  add_filter(command, options);
  command.add_flag("--all", options.every, "every dead letter");
}

void run(CLI::App& command, Chosen& chosen, int (*act)(const OutboxOptions&)) {
  command.callback([&chosen, act] { chosen.run = [&chosen, act] { return act(chosen.outbox); }; });
}

void add_list(CLI::App& app, Chosen& chosen) {
  OutboxOptions& options = chosen.outbox;
  CLI::App* command =
      add_command(app, "list", "rows that could not be delivered, in their order",
                  "A line each: ID STATE LAST-CHANGED ATTEMPTS TENANT TYPE REASON ERROR.\n\n"
                  "Example: ringcast outbox dead-letters list --store sqlite:app.db --tenant 42");
  add_store(*command, options);
  add_filter(*command, options);
  command->add_flag("--all-states", options.filter.all_states,
                    "also those that were redriven or dropped");
  command->add_option("--limit", options.filter.limit, "at most so many; default 100")
      ->type_name("N")
      ->check(CLI::Range(1U, kDeadLettersMax));
  command->add_option("--after", options.filter.after_id, "begin behind this row")->type_name("ID");
  run(*command, chosen, list_dead_letters);
}

void add_dead_letters(CLI::App& app, Chosen& chosen) {
  OutboxOptions& options = chosen.outbox;
  CLI::App* letters =
      add_command(app, "dead-letters", "rows that could not be delivered",
                  "Example: ringcast outbox dead-letters list --store sqlite:app.db");
  letters->require_subcommand(1);
  add_list(*letters, chosen);

  CLI::App* command =
      add_command(*letters, "show", "one of them with its history and payload",
                  "At most the first 65,536 octets of the payload.\n\n"
                  "Example: ringcast outbox dead-letters show 17 --store sqlite:app.db");
  add_store(*command, options);
  command->add_option("ID", options.ids, "rows, as `list` names them")->required();
  run(*command, chosen, show_dead_letters);

  command = add_command(
      *letters, "retry", "write them once more, after their cause was mended",
      "Each becomes a new row behind all others, with the same event id, by which receivers know "
      "a\n"
      "repeat. A line each: ID redriven as NEW-ID.\n\n"
      "Example: ringcast outbox dead-letters retry --type kitchen.task.claimed --rate 50 \\\n"
      "           --config /etc/ringcast.toml");
  add_store(*command, options);
  add_choice(*command, options);
  command->add_option("--rate", options.rate, "so many in a second; default 100")
      ->type_name("N")
      ->check(CLI::Range(1U, kRedrivesPerSecondMax));
  run(*command, chosen, retry_dead_letters);

  command = add_command(*letters, "drop", "note that they will not be delivered",
                        "They are kept, with --all-states they are listed.\n\n"
                        "Example: ringcast outbox dead-letters drop 17 18 --store sqlite:app.db");
  add_store(*command, options);
  add_choice(*command, options);
  run(*command, chosen, drop_dead_letters);
}

}  // namespace

void add_outbox_commands(CLI::App& app, Chosen& chosen) {
  OutboxOptions& options = chosen.outbox;
  CLI::App* outbox =
      add_command(app, "outbox", "look at an outbox and mend it; needs its store, and no daemon",
                  "Example: ringcast outbox status --store sqlite:app.db");
  outbox->require_subcommand(1);

  CLI::App* command =
      add_command(*outbox, "status", "what is pending, dead, and in the way",
                  "Example: ringcast outbox status --store postgresql://ringcast@db/app --json");
  add_store(*command, options);
  run(*command, chosen, outbox_status);

  add_dead_letters(*outbox, chosen);

  command = add_command(
      *outbox, "rebase", "begin a new epoch, after a database was restored",
      "Every client starts again where it is, with recovered:false. On PostgreSQL it needs the\n"
      "schema's owner and all writers stopped, and reads again what was not delivered.\n\n"
      "Example: ringcast outbox rebase --yes --store postgresql://owner@db/app");
  add_store(*command, options);
  command->add_flag("--yes", options.yes, "it is meant")->required();
  run(*command, chosen, rebase_outbox);

  command = add_command(
      *outbox, "archive", "write old rows to a file and remove them",
      "JSON lines, appended. On PostgreSQL whole days, whose partitions are dropped. Rows that "
      "were\n"
      "not delivered and dead letters stay, and are named on standard error. Interrupted, it "
      "loses\n"
      "nothing: the next run goes on, some rows may stand in the file twice.\n\n"
      "Example: ringcast outbox archive --before 2026-01-31 --to old.jsonl --store sqlite:app.db");
  add_store(*command, options);
  command->add_option("--before", options.before_day, "rows made before this day, in UTC")
      ->type_name("YYYY-MM-DD")
      ->required();
  command->add_option("--to", options.archive_file, "the file; what it has stays")
      ->type_name("FILE")
      ->required();
  command->add_flag("--keep", options.keep, "only write, remove nothing");
  run(*command, chosen, archive_outbox);
}

}  // namespace ringcast
