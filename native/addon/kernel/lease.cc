// The lease of this agent.
#include "../../domain/lease.h"

#include "handle.h"

namespace tlshub::addon {
namespace {

class LeaseHandle : public Handle<LeaseHandle, Lease, Lives::kUntilClosed> {
 public:
  static constexpr char kName[] = "Lease";
  using Handle::Handle;

  static std::vector<PropertyDescriptor> methods() { return {closing("stop")}; }
};

Value startLease(const CallbackInfo& info) {
  return LeaseHandle::wrap(info.Env(),
                           std::make_unique<Lease>(toInt(info[0], "leasesFd"), toU32(info[1], "ttlMs"),
                                                   toU32(info[2], "everyMs")));
}

}  // namespace

void addLease(Object& exports) {
  add<startLease>(exports, "startLease");
}

}  // namespace tlshub::addon
