// The thread that runs handlers of an Application.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "application.hpp"
#include "hub/call_ledger.hpp"
#include "port.hpp"

namespace ringcast {

// Takes calls and hooks from a port, runs their functions one after the other, and answers.
//
// Thread: run() is the thread; all else is called from the handlers that it runs. Lives in the
// Engine until its shards have ended. What waits here was taken from the port, so it is bounded by
// what shards may have open: calls_max each.
class ApplicationThread final : public PortListener {
 public:
  ApplicationThread(const Application& application, const AppConfig& config, Port& port)
      : application_(application),
        config_(config),
        port_(port),
        ledger_(config, application.table()) {}

  // Until a StopMail.
  void run();

  // Each waits; see CallContext.
  [[nodiscard]] Result<Appended> publish(PublishAsk ask);
  [[nodiscard]] Result<PresenceListMail> presence(std::string_view room, std::string_view after,
                                                  std::uint32_t limit);
  [[nodiscard]] Result<HistoryPage> history(HistoryAsk ask);

  void subscribed(SubscriptionId, const SubscribedMail&) override {}
  void event(SubscriptionId, EventRef) override {}
  void gap(SubscriptionId, const GapMail&) override {}
  void epoch_changed(SubscriptionId, const EpochMail&) override {}
  void presence_changed(SubscriptionId, const PresenceUpdateMail&) override {}
  void published(std::uint64_t tag, const PublishedMail& answer) override;
  void presence_list(std::uint64_t tag, const PresenceListMail& answer) override;
  void mail(ShardMail&& mail) override;

 private:
  [[nodiscard]] bool wait_for_mail(Millis timeout);
  template <class Answer>
  [[nodiscard]] bool wait_for(const std::optional<Answer>& answer);
  void administered(AdminAnswerMail&& answer);
  void handle(CallMail&& call);
  void handle(HookMail&& hook);
  [[nodiscard]] CallResult run_handler(const CallMail& call);
  void answer(const ReplyTo& caller, CallResult result);

  const Application& application_;
  const AppConfig& config_;
  Port& port_;
  CallLedger ledger_;
  SystemClock clock_;
  std::deque<ShardMail> waiting_;  // calls and hooks
  std::uint64_t next_tag_ = 1;
  std::uint64_t asked_ = 0;  // the tag that a handler waits for
  std::optional<Result<Appended>> published_;
  std::optional<PresenceListMail> presence_;
  std::optional<Result<std::unique_ptr<AdminAnswer>>> administered_;
  bool stopping_ = false;
};

}  // namespace ringcast
