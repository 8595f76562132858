// Frames as subscribers get them: what the hub knows of protocols.
#pragma once

#include <string>
#include <string_view>

#include "hub/session.hpp"
#include "message/batch.hpp"
#include "message/mail.hpp"

namespace ringcast {

// A message of the engine itself to all subscribers of a room.
struct Notice {
  std::string type;
  std::string json;          // the whole native message
  bool replaceable = false;  // it tells a state: worth nothing once a newer one waits
};

// Appends one frame to the batch. `scratch` saves the allocation of an intermediate text. The
// event's payload was validated on entry, so nothing is escaped or checked here but its names.
void append_frame(Encoding encoding, const Event& event, const Epoch& epoch, Batch& batch,
                  std::string& scratch);
void append_frame(Encoding encoding, const Notice& notice, Batch& batch);

[[nodiscard]] Notice notice_of(const EpochMail& mail);
[[nodiscard]] Notice notice_of(const GapMail& mail);
[[nodiscard]] Notice notice_of(const PresenceUpdateMail& mail);

}  // namespace ringcast
