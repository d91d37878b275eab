// SPDX-License-Identifier: Apache-2.0
// tlshub_boringssl.node: the handshake driver over BoringSSL. To be loaded with RTLD_DEEPBIND: node exports OpenSSL's
// functions under the same names, and would be asked first. Loaded otherwise it throws.
#include <napi.h>

#include "handshake_binding.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  return tlshub::addon::exportHandshake(env, exports);
}

}  // namespace

NODE_API_MODULE(tlshub_boringssl, init)
