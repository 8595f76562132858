#include "io/uring_queue.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace ringcast::io {

namespace {

struct Setup {
  unsigned flags;
  const char* name;
};

// From what is wanted down to what 5.19 has. TASKRUN_FLAG lets poll() see without a system call
// that there is nothing to collect.
constexpr Setup kSetups[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
         IORING_SETUP_SUBMIT_ALL,
     "SINGLE_ISSUER, DEFER_TASKRUN"},
    {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
     "COOP_TASKRUN"},
    {0, "plain"},
};

std::string refusal(int error) {
  std::string text = fmt::format("io_uring_setup: {}", std::strerror(error));
  if (error == EPERM)
    text += " (a container's seccomp profile, or kernel.io_uring_disabled)";
  else if (error == ENOSYS)
    text += " (a kernel without io_uring, or a seccomp profile)";
  else if (error == ENOMEM)
    text += " (RLIMIT_MEMLOCK or the memory limit)";
  return text;
}

// A kernel that is out of memory may refuse an entry for a while; one that refuses for seconds will
// not take back what half of the shard believes to be sent.
constexpr int kRefusalsMax = 5'000;

void pause_after_refusal() {
  constexpr timespec kMillisecond{0, 1'000'000};
  (void)::nanosleep(&kMillisecond, nullptr);
}

Completion from(const io_uring_cqe& entry) {
  return {OperationTag::unpack(entry.user_data), entry.res, entry.flags};
}

}  // namespace

std::uint64_t OperationTag::pack() const {
  return std::uint64_t{static_cast<std::uint8_t>(operation)} << 56 |
         std::uint64_t{subject.index & kIndexMax} << 32 | subject.generation;
}

OperationTag OperationTag::unpack(std::uint64_t user_data) {
  return {static_cast<Operation>(user_data >> 56),
          {static_cast<std::uint32_t>(user_data >> 32) & kIndexMax,
           static_cast<std::uint32_t>(user_data)}};
}

Result<std::unique_ptr<UringQueue>> UringQueue::create(const RingOptions& options) {
  std::unique_ptr<UringQueue> queue(new UringQueue);
  int error = 0;
  for (const Setup& setup : kSetups) {
    io_uring_params params{};
    params.flags = setup.flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = options.completions;
    error = -io_uring_queue_init_params(options.submissions, &queue->ring_, &params);
    if (error == 0) {
      queue->open_ = true;
      queue->setup_ = setup.name;
      break;
    }
    if (error != EINVAL) break;  // only EINVAL means "unknown flag": the others have one cause
  }
  if (error != 0) return {Errc::unavailable, refusal(error)};
  constexpr unsigned kNeeded = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;
  if ((queue->ring_.features & kNeeded) != kNeeded)
    return {Errc::unavailable, "io_uring: the kernel is older than 5.17"};
  return queue;
}

UringQueue::~UringQueue() {
  if (open_) io_uring_queue_exit(&ring_);
}

io_uring_sqe& UringQueue::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr) {
    submit();
    entry = io_uring_get_sqe(&ring_);
    ensure(entry != nullptr, "an empty submission queue has a place");
  }
  return *entry;
}

void UringQueue::cancel(OperationTag tag) {
  io_uring_sqe& entry = next_entry();
  io_uring_prep_cancel64(&entry, tag.pack(), 0);
  entry.user_data = OperationTag{Operation::cancel, {}}.pack();
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void UringQueue::submit() {
  for (int refused = 0; io_uring_sq_ready(&ring_) != 0;) {
    const int result = io_uring_submit(&ring_);
    if (result > 0 || result == -EINTR) continue;
    ensure(result != -EBADF && result != -EINVAL && result != -EEXIST,
           "io_uring_enter by the thread that made the ring");
    ensure(++refused <= kRefusalsMax, "the kernel takes submissions");
    // EBUSY: completions wait for a place. EAGAIN: no memory for a request just now.
    flush_overflow();
    sort_completions();
    pause_after_refusal();
  }
}

void UringQueue::wait(std::optional<Nanos> timeout) {
  if (!timeout) {
    (void)io_uring_submit_and_wait(&ring_, 1);
    return;
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*timeout);
  __kernel_timespec limit{};
  limit.tv_sec = seconds.count();
  limit.tv_nsec = (*timeout - seconds).count();
  io_uring_cqe* first = nullptr;
  // Every way this ends (a completion, ETIME, EINTR, EBUSY, EAGAIN) is the same to the caller, who
  // looks at the completions and comes back; entries that were not consumed stay queued.
  (void)io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
}

void UringQueue::poll() {
  if (io_uring_sq_ready(&ring_) != 0 || needs_kernel())
    (void)io_uring_submit_and_get_events(&ring_);
}

bool UringQueue::needs_kernel() const {
  const unsigned flags = IO_URING_READ_ONCE(*ring_.sq.kflags);
  return (flags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
}

bool UringQueue::has_completions() const {
  return backlog_taken_ < backlog_.size() || io_uring_cq_ready(&ring_) != 0;
}

std::span<const Completion> UringQueue::take(std::size_t count_max) {
  batch_.clear();
  while (batch_.size() < count_max && backlog_taken_ < backlog_.size())
    batch_.push_back(backlog_[backlog_taken_++]);
  if (backlog_taken_ == backlog_.size()) {
    backlog_.clear();
    backlog_taken_ = 0;
  }
  unsigned head = 0;
  unsigned taken = 0;
  io_uring_cqe* entry = nullptr;
  io_uring_for_each_cqe(&ring_, head, entry) {
    if (batch_.size() >= count_max) break;
    batch_.push_back(from(*entry));
    ++taken;
  }
  io_uring_cq_advance(&ring_, taken);
  return batch_;
}

std::span<const Completion> UringQueue::take_sends() {
  do {
    flush_overflow();
    sort_completions();
  } while (io_uring_cq_has_overflow(&ring_));
  batch_.swap(sends_);
  sends_.clear();
  return batch_;
}

void UringQueue::flush_overflow() {
  if (io_uring_cq_has_overflow(&ring_)) (void)io_uring_get_events(&ring_);
}

void UringQueue::sort_completions() {
  unsigned head = 0;
  unsigned taken = 0;
  io_uring_cqe* entry = nullptr;
  io_uring_for_each_cqe(&ring_, head, entry) {
    const Completion completion = from(*entry);
    (completion.tag.operation == Operation::send ? sends_ : backlog_).push_back(completion);
    ++taken;
  }
  io_uring_cq_advance(&ring_, taken);
}

}  // namespace ringcast::io
