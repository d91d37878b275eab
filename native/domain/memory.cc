// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "error.h"
#include "secrets/secret.h"

namespace tlshub {

namespace {
// glibc's own first values.
constexpr int kMapFromBytes = 128 << 10;
constexpr int kTrimFromBytes = 128 << 10;
}  // namespace

void boundMemory() {
  mallopt(M_MMAP_THRESHOLD, kMapFromBytes);
  mallopt(M_TRIM_THRESHOLD, kTrimFromBytes);
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

void trimMemory() {
  malloc_trim(0);
}

void keepMemoryPrivate() {
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) throw SysError("prctl", "cannot turn core dumps off");
  const rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none)) throw SysError("setrlimit", "cannot turn core dumps off");
}

void protectSecrets() {
  keepMemoryPrivate();
  if (const int error = tlshub_secret_prepare()) throwNoSecretMemory(error);
}

}  // namespace tlshub
