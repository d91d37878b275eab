// What this process keeps of memory that it does not use.
#include "../../domain/memory.h"

#include <v8.h>

#include "kernel.h"

namespace tlshub::addon {
namespace {

Value boundMemory(const CallbackInfo& info) {
  tlshub::boundMemory();
  return info.Env().Undefined();
}

Value trimMemory(const CallbackInfo& info) {
  tlshub::trimMemory();
  return info.Env().Undefined();
}

// What Node-API has no word for: V8 collects this thread's garbage once, moves what is left together and gives the rest back. The level
// goes back at once, else V8 would go on to collect at every chance.
Value collectGarbage(const CallbackInfo& info) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  isolate->MemoryPressureNotification(v8::MemoryPressureLevel::kCritical);
  isolate->MemoryPressureNotification(v8::MemoryPressureLevel::kNone);
  return info.Env().Undefined();
}

}  // namespace

void addMemory(Object& exports) {
  add<boundMemory>(exports, "boundMemory");
  add<trimMemory>(exports, "trimMemory");
  add<collectGarbage>(exports, "collectGarbage");
}

}  // namespace tlshub::addon
