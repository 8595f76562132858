// The newest value of something that one thread says and others look at now and then.
#pragma once

#include <mutex>
#include <utility>

namespace ringcast {

// Thread: any. Not for the way of an event: it is a lock, for status pages and scrapes. Lives as
// long as its readers.
template <class T>
class Latest final {
 public:
  void set(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
  }
  [[nodiscard]] T get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace ringcast
