#include "metrics/exposition.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <sstream>

#include "base/clock.hpp"

namespace ringcast {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Fixture {
  ShardMetrics first;
  ShardMetrics second;
  SourceMetrics source;
  [[nodiscard]] std::string text() const {
    return Exposition({&first, &second}, &source, {"normal", "too slow: \"queue\" is full"}, {})
        .text();
  }
};

TEST(Exposition, SumsTheShards) {
  const auto metrics = std::make_unique<Fixture>();
  metrics->first.deliveries.add(40);
  metrics->second.deliveries.add(2);
  metrics->first.rooms.set(3);
  metrics->second.rooms.set(4);
  const std::string text = metrics->text();
  EXPECT_THAT(text, HasSubstr("\nringcast_deliveries_total 42\n"));
  EXPECT_THAT(text, HasSubstr("\nringcast_rooms 7\n"));
  EXPECT_THAT(text, HasSubstr("\nringcast_shards 2\n"));
}

TEST(Exposition, CountsOpenConnectionsFromWhatWasAcceptedAndClosed) {
  const auto metrics = std::make_unique<Fixture>();
  metrics->first.accepted.add(5);
  metrics->second.accepted.add(1);
  metrics->first.closed.add(2);
  EXPECT_THAT(metrics->text(), HasSubstr("\nringcast_connections 4\n"));
  metrics->second.closed.add(10);
  EXPECT_THAT(metrics->text(), HasSubstr("\nringcast_connections 0\n"));
}

TEST(Exposition, TellsWhyRowsFailedAndWhatWaitsForAnOperator) {
  const auto metrics = std::make_unique<Fixture>();
  metrics->source.rows_failed[1].add(3);
  metrics->source.dead_letters.set(2);
  metrics->source.oldest_transaction_ms.set(1'500);
  const std::string text = metrics->text();
  EXPECT_THAT(text, HasSubstr("\nringcast_outbox_rows_failed_total{reason=\"too_large\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("\nringcast_outbox_rows_failed_total{reason=\"schema\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nringcast_outbox_dead_letters 2\n"));
  EXPECT_THAT(text, HasSubstr("\nringcast_outbox_oldest_transaction_seconds 1.5\n"));
}

TEST(Exposition, LabelsFromOurOwnTables) {
  const auto metrics = std::make_unique<Fixture>();
  enum class Reason : std::uint8_t { normal, slow };
  metrics->first.closed_by_reason(Reason::slow).add(2);
  metrics->second.closed_by_reason(Reason::slow).add(1);
  metrics->second.errors(Errc::forbidden).add(9);
  metrics->first.published_by_clients.add(6);
  metrics->first.not_recovered.add(8);
  const std::string text = metrics->text();
  EXPECT_THAT(text, HasSubstr("ringcast_closed_by_reason_total{reason=\"normal\"} 0\n"));
  EXPECT_THAT(
      text,
      HasSubstr("ringcast_closed_by_reason_total{reason=\"too slow: \\\"queue\\\" is full\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_errors_total{code=\"FORBIDDEN\"} 9\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_published_total{from=\"outbox\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_published_total{from=\"clients\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_recoveries_total{recovered=\"false\"} 8\n"));
}

TEST(Exposition, ShowsHistogramsCumulativeAndInSeconds) {
  const auto metrics = std::make_unique<Fixture>();
  metrics->first.commit_to_socket.record(16'384);                // at the first bound
  metrics->second.commit_to_socket.record(16'385, 2);            // above it
  metrics->first.commit_to_socket.record(3'600'000'000'000ULL);  // an hour: above all bounds
  const std::string text = metrics->text();
  EXPECT_THAT(text, HasSubstr("ringcast_commit_to_socket_seconds_count 4\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_commit_to_socket_seconds_bucket{le=\"1.6384e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_commit_to_socket_seconds_bucket{le=\"3.2768e-05\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_commit_to_socket_seconds_bucket{le=\"34.359738368\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_commit_to_socket_seconds_bucket{le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_commit_to_socket_seconds_sum 3600.0000"));
}

TEST(Exposition, ShowsTheSourceOnlyWhereThereIsOne) {
  const auto metrics = std::make_unique<Fixture>();
  metrics->source.rows.add(12);
  metrics->source.blocked_ms.advance_to(250);
  EXPECT_THAT(metrics->text(), HasSubstr("\nringcast_outbox_rows_total 12\n"));
  EXPECT_THAT(metrics->text(), HasSubstr("\nringcast_outbox_blocked_seconds_total 0.25\n"));
  EXPECT_THAT(Exposition({&metrics->first}, nullptr, {}, {}).text(), Not(HasSubstr("outbox_rows")));
}

double lag_of(const Fixture& metrics) {
  constexpr std::string_view kName = "\nringcast_outbox_lag_seconds ";
  const std::string text = metrics.text();
  return std::atof(text.c_str() + text.find(kName) + kName.size());
}

TEST(Exposition, LagIsTheAgeOfWhatTheSourceIsBehindWithAndGrowsByItself) {
  const auto metrics = std::make_unique<Fixture>();
  EXPECT_EQ(lag_of(*metrics), 0);
  const auto now = SystemClock{}.wall().time_since_epoch().count();
  metrics->source.behind_since_us.set(static_cast<std::uint64_t>(now - 1'500'000));
  EXPECT_GE(lag_of(*metrics), 1.5);
  metrics->source.behind_since_us.set(static_cast<std::uint64_t>(now + 3'600'000'000));
  EXPECT_EQ(lag_of(*metrics), 0) << "the time of a row is its writer's, also one to come";
}

// Splits "# HELP name rest" and "# TYPE name rest" behind the first two words.
std::pair<std::string, std::string> name_and_rest(const std::string& line) {
  const std::size_t name = std::string_view("# HELP ").size();
  const std::size_t end = line.find(' ', name);
  return {line.substr(name, end - name), line.substr(end + 1)};
}

// Text exposition format 0.0.4: HELP and TYPE once before the samples of a family, no sample twice.
TEST(Exposition, IsWellFormed) {
  const auto metrics = std::make_unique<Fixture>();
  std::istringstream lines(metrics->text());
  std::string line;
  std::string family;
  std::string kind;
  std::set<std::string> families;
  std::set<std::string> samples;
  while (std::getline(lines, line)) {
    if (line.starts_with("# HELP ")) {
      const auto [name, help] = name_and_rest(line);
      family = name;
      EXPECT_TRUE(families.insert(name).second) << line;
      EXPECT_TRUE(help.ends_with('.')) << line;
    } else if (line.starts_with("# TYPE ")) {
      const auto [name, type] = name_and_rest(line);
      kind = type;
      EXPECT_EQ(name, family) << line;
      EXPECT_EQ(family.ends_with("_total"), kind == "counter") << line;
      EXPECT_TRUE(kind == "counter" || kind == "gauge" || kind == "histogram") << line;
    } else {
      const std::string name = line.substr(0, line.find_first_of("{ "));
      EXPECT_TRUE(name.starts_with("ringcast_")) << line;
      EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string::npos) << line;
      EXPECT_TRUE(kind == "histogram" ? name.starts_with(family + "_") : name == family) << line;
      const std::size_t value = line.rfind(' ') + 1;
      std::size_t read = 0;
      EXPECT_GE(std::stod(line.substr(value), &read), 0) << line;
      EXPECT_EQ(value + read, line.size()) << line;
      EXPECT_TRUE(samples.insert(line.substr(0, value)).second) << line;
    }
  }
  EXPECT_GT(families.size(), 45U);
}

TEST(Exposition, HasAsManyLinesAfterTrafficAsBefore) {
  const auto metrics = std::make_unique<Fixture>();
  const auto lines = [&metrics] {
    const std::string text = metrics->text();
    return std::count(text.begin(), text.end(), '\n');
  };
  const auto before = lines();
  for (int i = 0; i < 1'000; ++i) {
    metrics->first.accepted.add();
    metrics->first.errors(Errc::not_found).add();
    metrics->first.tick_events.record(static_cast<std::uint64_t>(i));
  }
  EXPECT_EQ(lines(), before);
}

TEST(ExpositionDeathTest, StopsOnMoreReasonsThanCounters) {
  const std::vector<std::string_view> most(kCloseReasonsMax, "r");
  EXPECT_FALSE(Exposition({}, nullptr, most, {}).text().empty());
  const std::vector<std::string_view> more(kCloseReasonsMax + 1, "r");
  EXPECT_DEATH(Exposition({}, nullptr, more, {}), "more close reasons");
}

TEST(Exposition, CountsTheApplicationByHandler) {
  ShardMetrics first, second;
  for (ShardMetrics* shard : {&first, &second}) shard->handlers.resize(2);
  first.handlers[0].calls.add(2);
  second.handlers[0].calls.add(3);
  second.handlers[1].timeouts.add();
  second.handlers[1].errors[static_cast<std::size_t>(Errc::unavailable)].add();
  second.handlers[0].own_errors.add();
  second.handlers[1].broken.set(1);
  const std::string text =
      Exposition({&first, &second}, nullptr, {}, {"message:send", "ringcast:connect"}).text();
  EXPECT_THAT(text, HasSubstr("ringcast_app_calls_total{handler=\"message:send\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_app_timeouts_total{handler=\"ringcast:connect\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_app_errors_total{handler=\"ringcast:connect\","
                              "code=\"UNAVAILABLE\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("ringcast_app_errors_total{handler=\"message:send\",code=\"own\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_app_handler_broken{handler=\"message:send\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("ringcast_app_handler_broken{handler=\"ringcast:connect\"} 1\n"));
}

}  // namespace
}  // namespace ringcast
