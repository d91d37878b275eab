// SPDX-License-Identifier: Apache-2.0
// The lease of this agent.
#include "../../domain/lease.h"

#include "handle.h"

namespace tlshub::addon {
namespace {

class LeaseHandle : public Handle<LeaseHandle, Lease, Lives::kUntilClosed> {
 public:
  static constexpr char kName[] = "Lease";
  using Handle::Handle;

  static std::vector<PropertyDescriptor> methods() {
    return {InstanceMethod<&LeaseHandle::silences>("silences"), closing("stop")};
  }

  // Their memory lives as long as this.
  void keep(const Napi::Uint32Array& beats) { beats_ = Napi::Persistent(beats.As<Napi::Object>()); }

 private:
  Napi::Value silences(const CallbackInfo& info) {
    const std::vector<uint32_t> silences = owned().silences();
    Napi::Array result = Napi::Array::New(info.Env(), silences.size());
    for (uint32_t i = 0; i < silences.size(); i++) result.Set(i, Napi::Number::New(info.Env(), silences[i]));
    return result;
  }

  Napi::ObjectReference beats_;
};

Value startLease(const CallbackInfo& info) {
  if (!info[3].IsTypedArray() || info[3].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array)
    wrongArgument(info.Env(), "beats must be a Uint32Array");
  auto beats = info[3].As<Napi::Uint32Array>();
  std::vector<const uint32_t*> words;
  for (size_t i = 0; i < beats.ElementLength(); i++) words.push_back(beats.Data() + i);
  Object handle = LeaseHandle::wrap(
      info.Env(), std::make_unique<Lease>(toInt(info[0], "leasesFd"), toU32(info[1], "ttlMs"),
                                          toU32(info[2], "everyMs"), std::move(words)));
  LeaseHandle::Unwrap(handle)->keep(beats);
  return handle;
}

}  // namespace

void addLease(Object& exports) {
  add<startLease>(exports, "startLease");
}

}  // namespace tlshub::addon
