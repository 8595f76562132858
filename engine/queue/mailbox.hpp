// The only way between threads: a bounded queue per producer, over moodycamel's.
#pragma once

#include <concurrentqueue/concurrentqueue.h>

#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "base/ensure.hpp"
#include "base/ids.hpp"
#include "queue/wakeup.hpp"

namespace ringcast {

template <class T>
concept Crosses = std::is_nothrow_move_constructible_v<T> && std::is_default_constructible_v<T> &&
                  crosses_threads<T>;

// How many places an item takes while it waits; overloaded beside a type whose items take several.
template <class T>
[[nodiscard]] constexpr std::uint64_t places_of(const T&) {
  return 1;
}

// Many Senders, one Receiver. Order holds per Sender (moodycamel orders per producer token),
// between Senders there is none. Each Sender owns `credits` places: it knows without asking whether
// a send will succeed, and the sum over Senders bounds the mailbox.
//
// Thread: Sender the one that holds it, Receiver the owner's; open() and a Sender's end any.
// Lives longer than all of its ends. At most lanes_max Senders at a time: more is our own mistake.
template <Crosses T>
class Mailbox final {
  struct Queue : moodycamel::ConcurrentQueueDefaultTraits {
    static const std::size_t BLOCK_SIZE = 64;
  };
  using ConcurrentQueue = moodycamel::ConcurrentQueue<T, Queue>;

  // One producer's way in. The two counters are written by one side each.
  struct Lane {
    explicit Lane(ConcurrentQueue& queue) : token(queue) {}
    moodycamel::ProducerToken token;
    std::uint64_t sent = 0;                           // the Sender's
    alignas(64) std::atomic<std::uint64_t> taken{0};  // the Receiver's
    std::uint64_t credits_max = 0;
    bool in_use = false;  // guarded by lanes_mutex_
  };

 public:
  static constexpr std::size_t kLanesMax = 192;

  explicit Mailbox(Wakeup& wakeup) : wakeup_(&wakeup) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // One producing thread's end. Move-only. What it sends arrives in the order sent.
  class Sender {
   public:
    Sender() = default;
    Sender(Sender&& other) noexcept
        : mailbox_(std::exchange(other.mailbox_, nullptr)),
          lane_(std::exchange(other.lane_, nullptr)) {}
    Sender& operator=(Sender&& other) noexcept {
      if (this != &other) {
        close();
        mailbox_ = std::exchange(other.mailbox_, nullptr);
        lane_ = std::exchange(other.lane_, nullptr);
      }
      return *this;
    }
    ~Sender() { close(); }

    // Places that are free now. It only grows until the next send.
    [[nodiscard]] std::uint64_t credits() const {
      const std::uint64_t waiting = lane_->sent - lane_->taken.load(std::memory_order_acquire);
      return waiting >= lane_->credits_max ? 0 : lane_->credits_max - waiting;
    }

    // Whether everything that was sent has been handled, also what the handler refused first.
    [[nodiscard]] bool all_taken() const {
      return lane_->taken.load(std::memory_order_acquire) == lane_->sent;
    }

    // Queues it; false, and `item` is untouched, when it finds no places. Wakes nobody: wake()
    // does, once per bulk.
    [[nodiscard]] bool try_send(T&& item) {
      if (credits() < places_of(item)) return false;
      send_reserved(std::move(item));
      return true;
    }

    // For what must never be refused because its number is bounded elsewhere: answers, whose place
    // was reserved with the question (docs/architecture.md, "Room before offset").
    void send_reserved(T&& item) {
      lane_->sent += places_of(item);
      const bool queued = mailbox_->queue_.enqueue(lane_->token, std::move(item));
      ensure(queued, "mailbox: no memory for a message");
    }

    void wake() { mailbox_->wakeup_->wake(); }
    [[nodiscard]] explicit operator bool() const { return lane_ != nullptr; }

   private:
    friend class Mailbox;
    Sender(Mailbox* mailbox, Lane* lane) : mailbox_(mailbox), lane_(lane) {}
    void close() {
      if (lane_ == nullptr) return;
      const std::lock_guard lock(mailbox_->lanes_mutex_);
      lane_->in_use = false;  // what it sent is still delivered; the lane is given out again
      lane_ = nullptr;
    }
    Mailbox* mailbox_ = nullptr;
    Lane* lane_ = nullptr;
  };

  // The draining end; one per mailbox, for the owner of the Wakeup.
  class Receiver {
   public:
    Receiver() = default;
    explicit Receiver(Mailbox& mailbox) : mailbox_(&mailbox) {}

    // Hands items of about `max` places to handle(T&&) -> bool, lane by lane. When handle() returns
    // false the item must not have been moved from: it is kept, its lane stands still until the
    // next drain offers it again, and the other lanes go on. Returns the places of what was
    // handled.
    template <class Handle>
    std::size_t drain(std::size_t max, Handle&& handle) {
      std::size_t done = 0;
      const std::size_t lanes = mailbox_->lanes_.load(std::memory_order_acquire);
      for (std::size_t i = 0; i < lanes && done < max; ++i) {
        // Begin where the last drain ended, so that a busy lane can not starve the next.
        const std::size_t at = (first_ + i) % lanes;
        done += drain_lane(*mailbox_->lane_[at], refused_[at], max - done, handle);
      }
      if (lanes != 0) first_ = (first_ + 1) % lanes;
      return done;
    }

    // For metrics only: an empty mailbox is known by a drain() after Wakeup::park() that took
    // nothing.
    [[nodiscard]] std::size_t size_approx() const { return mailbox_->queue_.size_approx(); }

    // True while an item that handle() refused waits to be offered again.
    [[nodiscard]] bool has_refused() const { return refused_count_ != 0; }

   private:
    struct Refused {
      T item;
      bool waiting = false;
    };

    template <class Handle>
    std::size_t drain_lane(Lane& lane, Refused& refused, std::size_t max, Handle& handle) {
      std::size_t done = 0;
      if (refused.waiting) {
        const std::uint64_t places = places_of(refused.item);
        if (!handle(std::move(refused.item))) return 0;
        refused.waiting = false;
        refused.item = T{};
        --refused_count_;
        took(lane, places);
        done += places;
      }
      T item;
      while (done < max && mailbox_->queue_.try_dequeue_from_producer(lane.token, item)) {
        const std::uint64_t places = places_of(item);
        if (!handle(std::move(item))) {
          refused.item = std::move(item);
          refused.waiting = true;
          ++refused_count_;
          return done;
        }
        took(lane, places);
        done += places;
      }
      return done;
    }

    // A credit goes back only once the item was handled: a refused one still holds its place.
    static void took(Lane& lane, std::uint64_t places) {
      lane.taken.store(lane.taken.load(std::memory_order_relaxed) + places,
                       std::memory_order_release);
    }

    Mailbox* mailbox_ = nullptr;
    std::array<Refused, kLanesMax> refused_{};
    std::size_t refused_count_ = 0;
    std::size_t first_ = 0;
  };

  // A new Sender with `credits` places. Thread: any, but wiring does it at start-up wherever it
  // can.
  [[nodiscard]] Sender open(std::uint64_t credits) {
    const std::lock_guard lock(lanes_mutex_);
    const std::size_t lanes = lanes_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < lanes; ++i) {
      Lane& lane = *lane_[i];
      if (lane.in_use) continue;
      lane.in_use = true;
      lane.credits_max = credits;
      return Sender(this, &lane);
    }
    ensure(lanes < kLanesMax, "mailbox: more senders than lanes");
    lane_[lanes] = std::make_unique<Lane>(queue_);
    lane_[lanes]->in_use = true;
    lane_[lanes]->credits_max = credits;
    lanes_.store(lanes + 1, std::memory_order_release);
    return Sender(this, lane_[lanes].get());
  }

 private:
  ConcurrentQueue queue_;
  Wakeup* wakeup_;
  std::mutex lanes_mutex_;  // start-up and the end of a Sender only
  std::array<std::unique_ptr<Lane>, kLanesMax> lane_;
  std::atomic<std::size_t> lanes_{0};
};

}  // namespace ringcast
