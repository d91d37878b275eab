// Which bpf/tlshub.h this addon was compiled with.
#include "../../../bpf/abi.generated.h"
#include "kernel.h"

namespace tlshub::addon {
namespace {

Value abi(const CallbackInfo& info) {
  return Napi::String::New(info.Env(), TLSHUB_ABI_HASH);
}

}  // namespace

void addAbi(Object& exports) {
  add<abi>(exports, "abi");
}

}  // namespace tlshub::addon
