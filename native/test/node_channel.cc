// SPDX-License-Identifier: Apache-2.0
// The channel's tests as an addon: against the OpenSSL that the Node.js carries which loads it, and that is the agent's. Loading runs them; their
// report goes to standard output (test/native/channel-session.test.ts).
#include <node_api.h>

#include "handshake_kit.h"

NAPI_MODULE_INIT() {
  napi_value failed;
  return napi_create_int32(env, kit::runAll(""), &failed) == napi_ok ? failed : exports;
}
