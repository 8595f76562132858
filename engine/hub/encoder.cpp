#include "hub/encoder.hpp"

#include "protocol/native_frames.hpp"
#include "wire/sse.hpp"
#include "wire/websocket_frame.hpp"

namespace ringcast {

void Encoder::append_frame(Encoding encoding, const Event& event, const Epoch& epoch,
                           Batch& batch) {
  json_.clear();
  protocol::append_event(json_, event);
  switch (encoding) {
    case Encoding::native:
      wire::append_frame(batch.bytes(), wire::WebsocketOpcode::text, json_);
      break;
    case Encoding::native_deflate:
      append_deflated(json_, batch);
      break;
    case Encoding::sse: {
      std::optional<Position> position;
      if (event.offset != 0) position = Position{epoch, event.offset};
      wire::append_sse_event(batch.bytes(), position, event.type, json_);
      break;
    }
  }
  batch.end_frame();
}

void append_frame(Encoding encoding, const Notice& notice, Batch& batch) {
  switch (encoding) {
    case Encoding::native:
    case Encoding::native_deflate:
      wire::append_frame(batch.bytes(), wire::WebsocketOpcode::text, notice.json);
      break;
    case Encoding::sse:
      wire::append_sse_event(batch.bytes(), {}, notice.type, notice.json);
      break;
  }
  batch.end_frame();
}

void Encoder::append_frame(Encoding encoding, const Notice& notice, Batch& batch) {
  if (encoding != Encoding::native_deflate) return ringcast::append_frame(encoding, notice, batch);
  append_deflated(notice.json, batch);
  batch.end_frame();
}

void Encoder::append_deflated(std::string_view json, Batch& batch) {
  if (deflater_.append_frame(batch.bytes(), wire::WebsocketOpcode::text, json))
    metrics_.frames_compressed.add();
}

Notice notice_of(const EpochMail& mail) {
  Notice notice{"subscribed", {}, false};
  protocol::append_subscribed(notice.json, {mail.room, mail.at.offset, mail.at.epoch, false}, {});
  return notice;
}

Notice notice_of(const GapMail& mail) {
  Notice notice{"gap", {}, false};
  protocol::append_gap(notice.json, {mail.room, mail.from, mail.to, mail.reason});
  return notice;
}

Notice notice_of(const PresenceUpdateMail& mail) {
  Notice notice{"presence:update", {}, true};
  protocol::PresenceFrame frame{mail.room, {}, mail.count, mail.joined, mail.left};
  if (mail.listed) frame.users = mail.users;
  protocol::append_presence_update(notice.json, frame, {});
  return notice;
}

}  // namespace ringcast
