#include "outbox/crew.hpp"

#include <algorithm>

#include "outbox/rows.hpp"

namespace ringcast::bench {

namespace {

constexpr std::chrono::microseconds kTurn{500};

}  // namespace

Result<std::unique_ptr<Crew>> Crew::hire(const std::string& url, int writers) {
  auto crew = std::make_unique<Crew>();
  for (int i = 0; i < writers; ++i) {
    auto database = Database::connect(url);
    if (!database) return database.error();
    if (auto ready = database->prepare("write", insert_one_sql()); !ready) return ready.error();
    crew->writers_.push_back(std::make_unique<Writer>(std::move(database).value()));
  }
  return crew;
}

void Crew::begin() {
  for (std::size_t i = 0; i < writers_.size(); ++i) {
    Writer& writer = *writers_[i];
    writer.thread = std::jthread([&writer, i, step = writers_.size()](const std::stop_token& stop) {
      for (std::uint64_t row = i; !stop.stop_requested(); row += step) {
        if (auto done = writer.database.execute("write", {std::to_string(row)}); !done) {
          writer.outcome = done.error();
          return;
        }
        ++writer.committed;
      }
    });
  }
}

std::uint64_t Crew::committed() const {
  std::uint64_t sum = 0;
  for (const auto& writer : writers_) sum += writer->committed;
  return sum;
}

Result<std::uint64_t> Crew::stop() {
  for (const auto& writer : writers_) writer->thread.request_stop();
  for (const auto& writer : writers_) writer->thread.join();
  for (const auto& writer : writers_)
    if (!writer->outcome) return writer->outcome.error();
  return committed();
}

Burner::Burner(double share) {
  for (; share > 0; share -= 1) {
    threads_.emplace_back([mine = std::min(share, 1.0)](const std::stop_token& stop) {
      const auto busy = std::chrono::duration_cast<Clock::duration>(kTurn * mine);
      while (!stop.stop_requested()) {
        for (const auto until = Clock::now() + busy; Clock::now() < until;) {
        }
        std::this_thread::sleep_for(kTurn - busy);
      }
    });
  }
}

}  // namespace ringcast::bench
