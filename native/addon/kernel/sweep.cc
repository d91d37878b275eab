// The iterator over all sockets with flow state.
#include "../../domain/sweep.h"

#include "handle.h"

namespace tlshub::addon {
namespace {

class SweepHandle : public Handle<SweepHandle, Fd> {
 public:
  static constexpr char kName[] = "Sweep";
  using Handle::Handle;

  static std::vector<PropertyDescriptor> methods() {
    return {InstanceMethod<&SweepHandle::read>("read"), InstanceAccessor<&SweepHandle::fd>("fd"),
            closing("close")};
  }

 private:
  Napi::Value fd(const CallbackInfo& info) {
    return guard(info, [&]() -> Napi::Value { return Napi::Number::New(info.Env(), owned().get()); });
  }

  Napi::Value read(const CallbackInfo& info) {
    return guard(info, [&]() -> Napi::Value {
      const Fd& iterator = owned();
      if (!info[0].IsTypedArray()) wrongArgument(info.Env(), "into must be a Uint8Array");
      Napi::TypedArray into = info[0].As<Napi::TypedArray>();
      const size_t from = toU32(info[1], "from");
      if (from > into.ByteLength()) wrongArgument(info.Env(), "from lies behind the end");
      char* start = static_cast<char*>(into.ArrayBuffer().Data()) + into.ByteOffset();
      const size_t n = readSweep(iterator.get(), start + from, into.ByteLength() - from);
      return Napi::Number::New(info.Env(), static_cast<double>(n));
    });
  }
};

Value openSweep(const CallbackInfo& info) {
  return SweepHandle::wrap(info.Env(),
                           std::make_unique<Fd>(tlshub::openSweep(toInt(info[0], "sweepLinkFd"))));
}

}  // namespace

void addSweep(Object& exports) {
  add<openSweep>(exports, "openSweep");
}

}  // namespace tlshub::addon
