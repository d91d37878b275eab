// SPDX-License-Identifier: Apache-2.0
#include "secret.h"

#include <cstring>

#include "../error.h"

namespace tlshub {

void throwNoSecretMemory(int error) {
  throw CodedError("TLSHUB_SECRETS", std::string("no protected memory for a secret: ") +
                                         (error == ENOSPC ? "65,536 are in use" : std::strerror(error)));
}

void throwNoSecret() {
  throw CodedError(
      "TLSHUB_SECRETS",
      "the connection's secrets are gone: they were taken, or waited too long for the installer");
}

}  // namespace tlshub
