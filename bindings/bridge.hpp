// Between a port of the engine and asyncio's side of it, python/ringcast/_embedded.py.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "bindings/callers.hpp"
#include "config/config.hpp"
#include "hub/handlers.hpp"
#include "port.hpp"

namespace ringcast::bindings {

// What a publish is made of; the views are of Python's objects and live as long as the call.
struct Publication {
  std::string_view room;
  std::string_view event;
  std::string_view data;
  std::string_view id;
  std::string_view key;
  std::string_view exclude_user;
  std::string_view idempotency_key;
};

// Turns what a port hands over into calls of its owner: messages as one list for each subscription
// and turn, answers and all else one by one.
//
// What is asked wakes the engine once for all of a round of the loop, or at the end of the turn
// that it is asked in; from another thread at once.
//
// Thread: whichever holds the GIL. Lives in a Core, between start and release. Nothing is held back
// here between two turns, so its limits are the port's. What a call of Python raises is reported to
// sys.unraisablehook, since the one who sent the mail is not there to be told; KeyboardInterrupt
// and SystemExit leave the turn.
class Bridge final : public PortListener {
 public:
  // `owner` has the methods that python/ringcast/_embedded.py shows under "what the bridge calls",
  // its _loop and that one's _thread.
  Bridge(Port& port, const Config& config, const Handlers& handlers, const pybind11::object& owner);

  // One turn of the loop: about `max` messages, or as many as fit into `time`. True: there is more.
  bool drain(std::size_t max, Nanos time);
  void flush();
  [[nodiscard]] int fd() const { return port_.fd(); }

  // ReplyTo::kErrorsOnly as the tag: nobody waits.
  [[nodiscard]] Result<Asked> publish(const Publication& ask, std::uint64_t tag);
  // Messages come as sink(list, octets); the id is _joined()'s.
  [[nodiscard]] Result<std::uint64_t> subscribe(std::string_view room,
                                                std::optional<Position> recover,
                                                pybind11::object sink);
  void unsubscribe(std::uint64_t id);
  [[nodiscard]] Result<void> list_viewers(std::string_view room, std::string_view after,
                                          std::uint32_t limit, std::uint64_t tag);
  [[nodiscard]] Result<void> administer(AdminAsk ask, std::uint64_t tag);
  // To whom waits for Python, see Owner::_call() and _hook().
  void answer(std::uint64_t number, CallResult result);
  void decide(std::uint64_t number, Result<std::shared_ptr<const Identity>> verdict);

  void subscribed(SubscriptionId id, const SubscribedMail& answer) override;
  void event(SubscriptionId id, EventRef event) override;
  void gap(SubscriptionId id, const GapMail& gap) override;
  void epoch_changed(SubscriptionId id, const EpochMail& mail) override;
  void presence_changed(SubscriptionId, const PresenceUpdateMail&) override {}
  void published(std::uint64_t tag, const PublishedMail& answer) override;
  void presence_list(std::uint64_t tag, const PresenceListMail& answer) override;
  void mail(ShardMail&& mail) override;

 private:
  struct Subscriber {
    std::uint32_t generation = 0;
    pybind11::object room;  // none: a pattern's messages have a room each
    pybind11::object epoch;
    pybind11::object sink;  // none: it has ended
    pybind11::object batch;
    std::size_t octets = 0;
  };

  Subscriber* find(SubscriptionId id);
  void hand_over(Subscriber& subscriber);
  void hand_over_all();
  void flush_soon();
  WallTime wall();
  void flush_when(bool queued);
  void report();
  template <class... Arguments>
  void call(const pybind11::object& function, const Arguments&... arguments);

  void called(CallMail&& mail);
  void asked(const HookMail& mail);
  void administered(AdminAnswerMail&& mail);

  Port& port_;
  const Config& config_;
  SystemClock clock_;
  Callers callers_;
  pybind11::object answered_, refused_, joined_, not_joined_, restarted_, missed_, publish_failed_,
      call_, hook_, flush_, call_soon_;
  std::vector<pybind11::object> events_;  // what handlers are of, by their index
  unsigned long thread_;                  // the loop's
  bool turns_ = false;
  bool flush_due_ = false;
  std::optional<WallTime> asked_at_;     // since the last flush
  std::vector<Subscriber> subscribers_;  // by the index of their id
  std::vector<std::uint32_t> full_;      // those with a batch
  std::optional<pybind11::error_already_set> leaves_;
};

}  // namespace ringcast::bindings
