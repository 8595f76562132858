// What the process tells whoever started it; also in every --help and in docs/cli.md.
#pragma once

namespace ringcast {

inline constexpr int kExitOk = 0;      // done, or stopped as asked
inline constexpr int kExitFailed = 1;  // refused: configuration, port in use, server's answer, ...
inline constexpr int kExitUsage = 2;   // no such command or flag, or one of them incomplete
inline constexpr int kExitSignal = 128;  // + the signal's number: ended at once by a second signal

}  // namespace ringcast
