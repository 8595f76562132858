#include "io/backend_probe.hpp"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>

namespace ringcast::io {
namespace {

// What Docker's default profile does: io_uring_setup fails with this errno, for good.
bool refuse_io_uring(int error) {
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{program.size(), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// The number of the first check that fails, in a process whose io_uring is refused.
int in_a_refusing_process(int error, const std::function<int()>& checks) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(refuse_io_uring(error) ? checks() : 100);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

TEST(BackendProbe, TakesEpollWhereIoUringIsRefusedAndSaysWhy) {
  struct Case {
    int error;
    const char* named;
  };
  for (const Case& c :
       {Case{EPERM, "Operation not permitted"}, Case{ENOSYS, "Function not implemented"},
        Case{ENOMEM, "Cannot allocate memory"}}) {
    EXPECT_EQ(in_a_refusing_process(c.error,
                                    [&] {
                                      const auto choice = choose_backend(std::nullopt);
                                      if (!choice) return 1;
                                      if (choice->backend != Backend::epoll) return 2;
                                      if (!contains(choice->reason, "io_uring refused: ")) return 3;
                                      if (!contains(choice->reason, c.named)) return 4;
                                      auto ring = Ring::create(
                                          {.backend = choice->backend, .reason = choice->reason});
                                      if (!ring) return 5;
                                      return contains((*ring)->describe(), c.named) ? 0 : 6;
                                    }),
              0)
        << c.named;
  }
}

TEST(BackendProbe, RefusesIoUringWhereItIsWantedAndCanNotBe) {
  EXPECT_EQ(in_a_refusing_process(EPERM,
                                  [] {
                                    const auto choice = choose_backend(Backend::io_uring);
                                    if (choice) return 1;
                                    if (choice.error().code != Errc::unavailable) return 2;
                                    const auto& why = choice.error().detail;
                                    return contains(why, "Operation not permitted") ? 0 : 3;
                                  }),
            0);
}

TEST(BackendProbe, TakesWhatIsWanted) {
  const auto choice = choose_backend(Backend::epoll);
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->backend, Backend::epoll);
  EXPECT_EQ(choice->reason, "as configured");
}

TEST(BackendProbe, TakesIoUringWhereARingWorks) {
  const auto choice = choose_backend(std::nullopt);
  ASSERT_TRUE(choice.ok());
  const auto ring = Ring::create({.backend = Backend::io_uring});
  EXPECT_EQ(choice->backend, ring.ok() ? Backend::io_uring : Backend::epoll);
  EXPECT_EQ(choice->reason.empty(), ring.ok());
}

}  // namespace
}  // namespace ringcast::io
