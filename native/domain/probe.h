/* SPDX-License-Identifier: Apache-2.0 */
// What this kernel can do of what the agent needs; each answer is tried, not looked up by version.
#pragma once

#include <string>
#include <vector>

#include "fd.h"
#include "ktls.h"

namespace tlshub {

struct ProbeResult {
  std::string name;
  bool ok;
  std::string detail;
  std::string remedy;  // "" when ok
};

std::vector<ProbeResult> probe();

// Does the kernel let BPF programs write to a program's memory? A locked-down one (lockdown=integrity, which secure boot may bring) does not.
bool mayWriteToPrograms();

// Two connected TCP sockets over 127.0.0.1. Throws SysError.
struct Pair {
  Fd client, server;
};
Pair loopbackPair();

// Sets a sending key of this cipher on a loopback socket: the kernel loads what it needs for it. Throws SysError.
void tryCipher(Cipher cipher);

}  // namespace tlshub
