// SPDX-License-Identifier: Apache-2.0
// tlshub_openssl.node: the handshake driver over the OpenSSL that node itself carries and exports.
#include <napi.h>

#include "handshake_binding.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  return tlshub::addon::exportHandshake(env, exports);
}

}  // namespace

NODE_API_MODULE(tlshub_openssl, init)
