// What this process keeps of memory that it does not use.
#include "../../domain/memory.h"

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

}  // namespace

void addMemory(Object& exports) {
  add<boundMemory>(exports, "boundMemory");
  add<trimMemory>(exports, "trimMemory");
}

}  // namespace tlshub::addon
