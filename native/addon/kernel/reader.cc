// The reader of the perf buffer.
#include <unistd.h>

#include "../../domain/perf_reader.h"
#include "handle.h"

namespace tlshub::addon {
namespace {

// N-API knows no SharedArrayBuffer, but it does know typed arrays over one.
Napi::Int32Array viewOf(const Value& buffer) {
  if (!buffer.IsObject()) wrongArgument(buffer.Env(), "a SharedArrayBuffer is wanted");
  return buffer.Env().Global().Get("Int32Array").As<Napi::Function>().New({buffer}).As<Napi::Int32Array>();
}

class ReaderHandle : public Handle<ReaderHandle, PerfReader> {
 public:
  static constexpr char kName[] = "PerfReader";
  using Handle::Handle;

  static std::vector<PropertyDescriptor> methods() {
    return {InstanceMethod<&ReaderHandle::poll>("poll"), closing("close")};
  }

 private:
  Napi::Value poll(const CallbackInfo& info) {
    return guard(info, [&]() -> Napi::Value {
      PerfReader& reader = owned();
      Napi::Int32Array view = viewOf(info[0]);
      RingProducer ring(view.Data(), view.ByteLength());
      Napi::Int32Array delays = viewOf(info[1]);
      if (delays.ElementLength() != reader.delayBuckets())
        wrongArgument(info.Env(), "delays must have a word for each bound and one more");
      auto result =
          reader.poll(ring, reinterpret_cast<uint32_t*>(delays.Data()), toInt(info[2], "timeoutMs"));
      Object object = Object::New(info.Env());
      object.Set("records", Napi::Number::New(info.Env(), result.records));
      object.Set("lost", Napi::Number::New(info.Env(), static_cast<double>(result.lost)));
      object.Set("full", Napi::Boolean::New(info.Env(), result.full));
      return object;
    });
  }
};

Value openReader(const CallbackInfo& info) {
  if (!info[2].IsTypedArray() || info[2].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
    wrongArgument(info.Env(), "delayBounds must be a Float64Array");
  auto bounds = info[2].As<Napi::Float64Array>();
  auto reader = std::make_unique<PerfReader>(
      toInt(info[0], "eventsFd"), toU32(info[1], "pagesPerCpu"),
      std::vector<uint64_t>(bounds.Data(), bounds.Data() + bounds.ElementLength()));
  const int wakeFd = reader->wakeFd();
  Object handle = ReaderHandle::wrap(info.Env(), std::move(reader));
  handle.Set("wakeFd", Napi::Number::New(info.Env(), wakeFd));
  return handle;
}

Value wake(const CallbackInfo& info) {
  uint64_t one = 1;
  if (write(toInt(info[0], "fd"), &one, sizeof(one)) < 0)
    throw tlshub::SysError("write", "cannot wake the event reader");
  return info.Env().Undefined();
}

}  // namespace

void addReader(Object& exports) {
  add<openReader>(exports, "openReader");
  add<wake>(exports, "wake");
}

}  // namespace tlshub::addon
