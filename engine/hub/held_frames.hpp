// What waits behind a blocked socket.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "message/batch.hpp"
#include "message/mail.hpp"

namespace ringcast {

// Frames in the order in which they go out, by reference into their batches, or copied where so
// little of a batch waits that holding on to it would be waste.
//
// Thread: shard. Lives inside a SendQueue while its socket does not take everything. trim() keeps
// it within a number of octets: events of rooms that allow it go first, the oldest before the
// others, and a gap frame stands where they stood. In rooms with slow_policy `latest` an event
// takes the place of the one with its key. Whole frames only, never one whose first octet is sent.
class HeldFrames final {
 public:
  // What it holds on to for an entry besides the octets.
  static constexpr std::uint64_t kEntryBytes = 208;

  // What subscribers will not get, since the last time somebody asked.
  struct Losses {
    std::uint64_t dropped_oldest = 0;  // events, of rooms with slow_policy drop_oldest
    std::uint64_t dropped_latest = 0;  // the same for `latest`, where no newer one has the key
    std::uint64_t conflated = 0;       // events that a newer one replaced
    std::uint64_t overflow_gaps = 0;   // announced
    std::uint64_t conflated_gaps = 0;
    [[nodiscard]] bool any() const { return dropped_oldest + dropped_latest + conflated != 0; }
  };

  HeldFrames() = default;
  HeldFrames(const HeldFrames&) = delete;
  HeldFrames& operator=(const HeldFrames&) = delete;

  // Octets [begin, end) of the batch; `begin` may lie in a frame that was begun, `end` may not.
  void add(const Batch& batch, std::uint32_t begin, std::uint32_t end);
  // Drops what may be dropped until at most bytes_max octets wait. False: that was not enough.
  [[nodiscard]] bool trim(std::uint64_t bytes_max);
  // Appends what goes out first, until `parts` has `parts_full` entries.
  void gather(std::vector<iovec>& parts, std::size_t parts_full) const;
  // So many octets are out.
  void sent(std::uint64_t octets);
  // What comes of this room from now on has nothing to do with what waits: it was left and joined.
  void cut(std::string_view room);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t pinned_bytes() const { return pinned_; }
  [[nodiscard]] const Losses& losses() const { return losses_; }
  [[nodiscard]] Losses take_losses() { return std::exchange(losses_, {}); }

 private:
  struct Entry;
  using Entries = std::list<Entry>;
  // The entries of one room, so that what it lost is announced among what it did not.
  struct Line {
    std::string room;
    Encoding encoding = Encoding::native;
    bool conflate = false;
    Entry* last = nullptr;
    Entry* state = nullptr;
    std::unordered_map<std::string, Entry*> by_key;
  };
  struct Entry {
    enum class Kind : std::uint8_t {
      fixed,   // goes out as it is
      run,     // events of a batch, by reference
      single,  // one event, copied
      gap,     // events after `from` up to `last` are missing here
    };
    Kind kind = Kind::fixed;
    bool unwritten = false;  // a gap whose frame has to be made again
    GapMail::Reason reason = GapMail::Reason::overflow;
    std::uint32_t begin = 0;  // in the batch, or in the copy
    std::uint32_t end = 0;
    std::shared_ptr<const Batch> batch;
    std::string copy;
    std::uint64_t pinned = 0;    // as it was counted: a batch of answers still grows in its tick
    Offset from = 0;             // of a gap, exclusive
    Offset last = 0;             // of a gap, inclusive; of a single event its own
    std::shared_ptr<Line> line;  // null: of no room, or begun
    Entry* before = nullptr;     // in its line
    Entry* after = nullptr;
    const std::string* key = nullptr;  // in the line's by_key
    Entries::iterator self;
    [[nodiscard]] std::uint32_t size() const { return end - begin; }
    [[nodiscard]] std::string_view view() const;
  };

  Entry& put(Entries::iterator where, Entry&& entry);
  void put_piece(Entries::iterator where, const Batch& batch, std::uint32_t begin,
                 std::uint32_t end);
  Entry& put_frame(Entries::iterator where, const Batch& batch, std::uint32_t frame);
  void add_frame(const Batch& batch, std::uint32_t frame, const std::shared_ptr<Line>& line);
  void add_run(const Batch& batch, std::uint32_t begin, std::uint32_t end,
               const std::shared_ptr<Line>& line);
  static void link(Entry& entry, const std::shared_ptr<Line>& line, Entry* next);
  void leave_line(Entry& entry);
  void remove(Entry& entry);
  void take_out(Entry& entry);
  void drop_one();
  void drop_first_of(Entry& run);
  void copy_out(Entry& run);
  void lose(Entry& entry, Offset offset, GapMail::Reason reason);
  void widen(Entry& gap, Offset last, GapMail::Reason reason);
  void write_gaps();
  void begun(Entry& front);
  const std::shared_ptr<Line>& line_of(const FrameLabels& labels);

  Entries entries_;
  Entries::iterator oldest_ = entries_.end();  // before it nothing may be dropped
  std::unordered_map<std::string, std::shared_ptr<Line>> lines_;
  std::vector<Entry*> unwritten_;
  std::uint64_t bytes_ = 0;
  std::uint64_t pinned_ = 0;
  Losses losses_;
};

}  // namespace ringcast
