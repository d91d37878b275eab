// SPDX-License-Identifier: Apache-2.0
// tlshub_kernel.node: src/shared/kernel/kernel-addon.ts, KernelAddon. Arguments in, domain calls, results out; nothing is decided here.
#include "kernel/handle.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  using namespace tlshub::addon;
  env.SetInstanceData(new Classes());
  for (auto* add : {addAbi, addEpochMaps, addEpochs, addFlow, addGate, addHelpers, addLease, addMaps,
                    addMemory, addOpenRecords, addProbe, addReader, addRelease, addSocket, addSweep})
    add(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(tlshub_kernel, initialise)
