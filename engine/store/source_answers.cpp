// What the shards ask of the source, but for the windows themselves.
#include <utility>

#include "base/ensure.hpp"
#include "store/source.hpp"

namespace ringcast {

void Source::publish_answer(const ReplyTo& reply_to, std::string room, Result<Appended> outcome) {
  const ShardIndex to = reply_to.connection.shard;
  if (!reply_to.wants(outcome)) return;
  if (reply_to.tag == ReplyTo::kErrorsOnly && !outlets_.has_room(to)) return;
  outlets_.answer(to, PublishedMail{reply_to, std::move(room), std::move(outcome)});
}

void Source::answer_appends() {
  if (appends_.empty()) return;
  std::vector<AppendMail> good;
  for (AppendMail& question : std::exchange(appends_, {})) {
    Result<void> checked;
    if (!open_)
      checked = {Errc::unavailable, status_.detail};
    else
      checked = check_append(question.row);
    if (checked)
      good.push_back(std::move(question));
    else
      publish_answer(question.reply_to, std::move(question.row.room), checked.error());
  }
  if (!good.empty()) append(good);
}

void Source::append(std::vector<AppendMail>& good) {
  std::vector<PlainRow> rows;
  rows.reserve(good.size());
  for (AppendMail& question : good) rows.push_back(std::move(question.row));
  auto outcomes = parts_.store->append(rows);
  ensure(!outcomes || outcomes->size() == rows.size(), "the store answered another number of rows");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Result<Appended> outcome = outcomes ? std::move(outcomes.value()[i])
                                        : Error{Errc::unavailable, outcomes.error().detail};
    if (outcome) ++status_.appended;
    publish_answer(good[i].reply_to, std::move(rows[i].room), std::move(outcome));
  }
  if (outcomes)
    read_wanted_ = record_wanted_ = changed_ = true;
  else if (outcomes.error().code == Errc::unavailable)
    lost(outcomes.error());
}

void Source::answer_is_recorded() {
  for (IsRecordedMail& question : std::exchange(asked_, {})) {
    Result<bool> recorded = false;
    if (!open_) {
      recorded = {Errc::unavailable, status_.detail};
    } else if (question.position.epoch == status_.epoch) {
      recorded = parts_.store->is_recorded(question.position.offset);
      if (!recorded && recorded.error().code == Errc::unavailable) lost(recorded.error());
    }
    outlets_.answer(question.home, RecordedMail{std::move(question.position), std::move(recorded)});
  }
}

void Source::refuse_read_now(const Error& why) {
  for (const ReadNowMail& question : std::exchange(read_now_, {}))
    outlets_.answer(question.reply_to.connection.shard, ReadNowAnswerMail{question.reply_to, why});
}

void Source::refuse_all(const Error& why) {
  for (AppendMail& question : std::exchange(appends_, {}))
    publish_answer(question.reply_to, std::move(question.row.room), why);
  for (IsRecordedMail& question : std::exchange(asked_, {}))
    outlets_.answer(question.home, RecordedMail{std::move(question.position), why});
  refuse_read_now(why);
  outlets_.flush();
}

}  // namespace ringcast
