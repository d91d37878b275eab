// SPDX-License-Identifier: Apache-2.0
// The pins of an agent: who may work on them, and what somebody who is no agent does with them.
#include <bpf/bpf.h>

#include <vector>

#include "../../domain/earlier.h"
#include "../../domain/pins.h"
#include "handle.h"

namespace tlshub::addon {
namespace {

class PinLockHandle : public Handle<PinLockHandle, AgentLock, Lives::kUntilClosed> {
 public:
  static constexpr char kName[] = "PinLock";
  using Handle::Handle;

  static std::vector<PropertyDescriptor> methods() { return {closing("close")}; }
};

class PinsHandle : public Handle<PinsHandle, std::vector<Fd>, Lives::kUntilClosed> {
 public:
  static constexpr char kName[] = "Pins";
  using Handle::Handle;

  static std::vector<PropertyDescriptor> methods() { return {closing("close")}; }
};

Value lockAgent(const CallbackInfo& info) {
  AgentLock lock = tlshub::lockAgent(toText(info[0], "pinDir"));
  if (!lock.alone) return info.Env().Undefined();
  return PinLockHandle::wrap(info.Env(), std::make_unique<AgentLock>(std::move(lock)));
}

Value lockPins(const CallbackInfo& info) {
  Fd lock = tlshub::lockPins(toText(info[0], "pinDir"));
  if (!lock) return info.Env().Undefined();
  return PinLockHandle::wrap(info.Env(), std::make_unique<AgentLock>(AgentLock{{}, std::move(lock)}));
}

Value openPins(const CallbackInfo& info) {
  const std::string pinDir = toText(info[0], "pinDir");
  checkPins(pinDir);
  const char* const names[][2] = {{"flows", "maps/flows"},       {"verdicts", "maps/verdicts"},
                                  {"stops", "maps/stops"},       {"userStops", "maps/user_stops"},
                                  {"dups", "maps/dups"},         {"leases", "maps/leases"},
                                  {"settings", "maps/settings"}, {"policy", "maps/policy"},
                                  {"rules", "maps/rules"},       {"mesh", "maps/mesh"},
                                  {"agents", "maps/agents"},     {"sweepLink", "sweep"},
                                  {"secured", "maps/secured"}};
  auto owned = std::make_unique<std::vector<Fd>>();
  Object fds = Object::New(info.Env());
  for (auto& name : names) {
    owned->push_back(openPin(pinDir, name[1]));
    fds.Set(name[0], Napi::Number::New(info.Env(), owned->back().get()));
  }
  Object handle = PinsHandle::wrap(info.Env(), std::move(owned));
  handle.Set("fds", fds);
  return handle;
}

Value releasePins(const CallbackInfo& info) {
  const std::string pinDir = toText(info[0], "pinDir");
  // No process has its programs: who sleeps in front of them is to be through first.
  if (const Fd sleepers(bpf_obj_get((pinDir + "/maps/sleepers").c_str())); sleepers)
    awaitSleepers(sleepers.get());
  return Napi::Number::New(info.Env(), tlshub::releasePins(pinDir));
}

}  // namespace

void addRelease(Object& exports) {
  add<lockAgent>(exports, "lockAgent");
  add<lockPins>(exports, "lockPins");
  add<openPins>(exports, "openPins");
  add<releasePins>(exports, "releasePins");
}

}  // namespace tlshub::addon
