// A store without a database, that a test fills, breaks and mends while a Source runs on it.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "store/outbox_store.hpp"

namespace ringcast {

// What outlives a FakeStore and may be touched from the test's thread.
class FakeDatabase {
 public:
  FakeDatabase() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~FakeDatabase() { ::close(fd_); }
  FakeDatabase(const FakeDatabase&) = delete;
  FakeDatabase& operator=(const FakeDatabase&) = delete;

  struct State {
    std::deque<Window> windows;  // not yet given
    std::size_t replay = 0;      // so many of them were recorded before open()
    Epoch epoch = "epoch-1";
    Offset floor = 0;
    bool reachable = true;
    bool busy = false;
    std::vector<FailedRow> failed;
    bool refuses_failed = false;
    std::vector<EndedHold> ended;
    std::vector<std::int64_t> put_back;
    std::vector<HeldRow> held;
    Offset delivered = 0;
    Trial trial;
    std::vector<std::int64_t> poison;
    std::vector<Offset> noted_on_trial;
    std::size_t to_retire = 0;  // steps
    std::size_t retired = 0;
    std::vector<std::size_t> appended;  // rows of each append()
    std::vector<OutboxStore::Read> reads;
    std::vector<std::uint32_t> limits;
    std::size_t opens = 0;
    std::size_t reopens = 0;
    Offset last = 0;
  };

  // The test's way in: looks at and changes the state under its lock, then wakes the store.
  template <class Use>
  auto use(Use&& use) {
    const std::unique_lock lock(mutex_);
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
    return use(state_);
  }
  // The store's.
  template <class Use>
  auto serve(Use&& use) {
    const std::unique_lock lock(mutex_);
    return use(state_);
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
  std::mutex mutex_;
  State state_;
};

class FakeStore final : public OutboxStore {
 public:
  explicit FakeStore(FakeDatabase& database) : database_(database) {}

  Result<StoreState> open(std::chrono::seconds, std::uint64_t) override {
    return database_.serve([](FakeDatabase::State& state) -> Result<StoreState> {
      ++state.opens;
      if (!state.reachable) return Error{Errc::unavailable, "fake: not reachable"};
      return StoreState{state.epoch, state.floor, state.delivered, state.poison, state.held};
    });
  }
  Result<StoreState> reopen() override {
    return database_.serve([](FakeDatabase::State& state) -> Result<StoreState> {
      ++state.reopens;
      if (!state.reachable) return Error{Errc::unavailable, "fake: not reachable"};
      return StoreState{state.epoch, state.floor, state.delivered, state.poison, state.held};
    });
  }
  Result<Window> next(Read read, std::uint32_t limit) override {
    return database_.serve([read, limit](FakeDatabase::State& state) -> Result<Window> {
      state.reads.push_back(read);
      state.limits.push_back(limit);
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      if (state.busy) return Error{Errc::rate_limited, "fake: busy"};
      Window nothing;
      nothing.top = state.last;
      if (state.windows.empty()) return nothing;
      if (read == Read::recorded_only && state.windows.front().ours && state.replay == 0)
        return nothing;
      Window window = std::move(state.windows.front());
      state.windows.pop_front();
      if (state.replay != 0) --state.replay;
      window.more = !state.windows.empty();
      state.last = window.top;
      return window;
    });
  }
  [[nodiscard]] bool replaying() const override {
    return database_.serve([](FakeDatabase::State& state) { return state.replay != 0; });
  }
  Result<void> fail(std::span<const FailedRow> rows) override {
    return database_.serve([rows](FakeDatabase::State& state) -> Result<void> {
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      if (state.refuses_failed) return Error{Errc::rate_limited, "fake: busy"};
      state.failed.insert(state.failed.end(), rows.begin(), rows.end());
      return {};
    });
  }
  Result<void> end_holds(std::span<const EndedHold> ended) override {
    return database_.serve([ended](FakeDatabase::State& state) -> Result<void> {
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      state.ended.insert(state.ended.end(), ended.begin(), ended.end());
      return {};
    });
  }
  Result<void> put_back(std::span<const std::int64_t> ids) override {
    return database_.serve([ids](FakeDatabase::State& state) -> Result<void> {
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      if (state.refuses_failed) return Error{Errc::rate_limited, "fake: busy"};
      state.put_back.insert(state.put_back.end(), ids.begin(), ids.end());
      return {};
    });
  }
  Result<void> note_delivered(Offset top) override {
    return database_.serve([top](FakeDatabase::State& state) -> Result<void> {
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      state.delivered = top;
      state.trial = {};
      return {};
    });
  }
  Result<void> note_on_trial(Offset top) override {
    return database_.serve([top](FakeDatabase::State& state) -> Result<void> {
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      state.delivered = top;
      state.trial.begun = 0;
      state.noted_on_trial.push_back(top);
      return {};
    });
  }
  Result<Trial> begin_trial(Offset delivered) override {
    return database_.serve([delivered](FakeDatabase::State& state) -> Result<Trial> {
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      if (delivered != state.delivered) return Trial{};
      ++state.trial.starts;
      return state.trial;
    });
  }
  Result<void> begin_row(Offset delivered) override {
    return database_.serve([delivered](FakeDatabase::State& state) -> Result<void> {
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      if (delivered == state.delivered) ++state.trial.begun;
      return {};
    });
  }
  Result<void> take_back(Offset delivered, const Trial& counted) override {
    return database_.serve([delivered, counted](FakeDatabase::State& state) -> Result<void> {
      if (delivered != state.delivered) return {};
      state.trial.starts -= std::min(state.trial.starts, counted.starts);
      state.trial.begun -= std::min(state.trial.begun, counted.begun);
      return {};
    });
  }
  Result<bool> retire() override {
    return database_.serve([](FakeDatabase::State& state) -> Result<bool> {
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      if (state.to_retire == 0) return false;
      ++state.retired;
      return --state.to_retire != 0;
    });
  }
  Result<std::vector<Result<Appended>>> append(std::span<const PlainRow> rows) override {
    return database_.serve(
        [rows](FakeDatabase::State& state) -> Result<std::vector<Result<Appended>>> {
          if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
          state.appended.push_back(rows.size());
          std::vector<Result<Appended>> outcomes;
          for (const PlainRow& row : rows)
            outcomes.push_back(row.idempotency_key == "conflict"
                                   ? Result<Appended>(Errc::conflict, "idempotencyKey: other bytes")
                                   : Appended{row.event_id, std::nullopt, ""});
          return outcomes;
        });
  }
  Result<bool> is_recorded(Offset offset) override {
    return database_.serve([offset](FakeDatabase::State& state) -> Result<bool> {
      if (!state.reachable) return Error{Errc::unavailable, "fake: lost"};
      return offset <= state.last;
    });
  }
  Result<Backlog> backlog() override {
    return database_.serve([](FakeDatabase::State& state) -> Result<Backlog> {
      Backlog backlog;
      for (const Window& window : state.windows) backlog.rows += window.rows.size();
      if (backlog.rows != 0) backlog.oldest_seconds = 1.5;
      return backlog;
    });
  }
  Result<Trouble> trouble() override {
    return database_.serve([](FakeDatabase::State& state) -> Result<Trouble> {
      return Trouble{.dead = state.failed.size()};
    });
  }
  Instant arm(std::vector<pollfd>& fds, Instant now) override {
    fds.push_back({database_.fd(), POLLIN, 0});
    return now + std::chrono::seconds{30};
  }
  bool woke(std::span<const pollfd> fds, Instant) override {
    std::uint64_t count = 0;
    bool readable = false;
    for (const pollfd& polled : fds)
      if (polled.fd == database_.fd() && polled.revents != 0)
        readable = ::read(polled.fd, &count, sizeof count) > 0;
    return readable;
  }
  [[nodiscard]] std::string describe() const override { return "fake"; }

 private:
  FakeDatabase& database_;
};

}  // namespace ringcast
