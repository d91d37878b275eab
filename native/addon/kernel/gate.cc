// SPDX-License-Identifier: Apache-2.0
// The gate of this process.
#include "../../domain/gate.h"

#include <atomic>

#include "background.h"
#include "handle.h"
#include "settings_from.h"

namespace tlshub::addon {
namespace {

// One a process, whatever thread has it: all of them work with its descriptors.
std::atomic<bool> there = false;

class GateHandle : public Handle<GateHandle, Gate, Lives::kUntilClosed> {
 public:
  static constexpr char kName[] = "Gate";
  using Handle::Handle;

  static std::vector<PropertyDescriptor> methods() {
    return {InstanceMethod<&GateHandle::attachCgroup>("attachCgroup"),
            InstanceMethod<&GateHandle::detachCgroup>("detachCgroup"),
            InstanceMethod<&GateHandle::detach>("detach")};
  }

 private:
  Napi::Value attachCgroup(const CallbackInfo& info) {
    return guard(info, [&] {
      owned().attachCgroup(toText(info[0], "path"));
      return info.Env().Undefined();
    });
  }

  Napi::Value detachCgroup(const CallbackInfo& info) {
    return guard(info, [&] {
      owned().detachCgroup(toText(info[0], "path"));
      return info.Env().Undefined();
    });
  }

  Napi::Value detach(const CallbackInfo& info) {
    return guard(info, [&] {
      owned().detach();
      take();
      there = false;
      return info.Env().Undefined();
    });
  }
};

Gate::Options optionsFrom(const Object& from) {
  Gate::Options options;
  options.settings = settingsFrom(objectFrom(from.Get("settings"), "settings"));
  options.mesh = meshFrom(from.Get("mesh"));
  const Value cgroups = from.Get("cgroups");
  if (!cgroups.IsArray()) wrongArgument(from.Env(), "cgroups must be an array");
  const Napi::Array paths = cgroups.As<Napi::Array>();
  for (uint32_t i = 0; i < paths.Length(); i++) options.cgroups.push_back(toText(paths.Get(i), "cgroup"));
  return options;
}

Object fdsOf(Env env, const Gate& gate) {
  const char* const names[][2] = {{"flows", "flows"},
                                  {"verdicts", "verdicts"},
                                  {"owners", "owners"},
                                  {"stops", "stops"},
                                  {"userStops", "user_stops"},
                                  {"leases", "leases"},
                                  {"settings", "settings"},
                                  {"mesh", "mesh"},
                                  {"epochs", "epochs"},
                                  {"nodeEpochs", "node_epochs"},
                                  {"thirdSegments", "third_segments"},
                                  {"events", "events"},
                                  {"counters", "counters"},
                                  {"agents", "agents"},
                                  {"sweepLink", "sweep"},
                                  {"policy", "policy"},
                                  {"rules", "rules"},
                                  {"dups", "dups"},
                                  {"secured", "secured"},
                                  {"openRecords", "open_records"},
                                  {"wakes", "wakes"},
                                  {"wakesRead", "wakesRead"}};
  Object fds = Object::New(env);
  for (auto& name : names) fds.Set(name[0], Napi::Number::New(env, gate.fd(name[1])));
  return fds;
}

// Programs that the kernel has taken in and that run nowhere yet.
class LoadedGateHandle : public Handle<LoadedGateHandle, Gate, Lives::kUntilClosed> {
 public:
  static constexpr char kName[] = "LoadedGate";
  using Handle::Handle;

  static std::vector<PropertyDescriptor> methods() {
    return {InstanceMethod<&LoadedGateHandle::open>("open")};
  }

 private:
  // Whether it succeeds or not: this handle is closed then.
  Napi::Value open(const CallbackInfo& info) {
    return guard(info, [&]() -> Napi::Value {
      const Gate::Options options = optionsFrom(objectFrom(info[0], "options"));
      std::unique_ptr<Gate> gate = take();
      try {
        gate->open(options);
      } catch (...) {
        there = false;
        throw;
      }
      const Object fds = fdsOf(info.Env(), *gate);
      const bool adopted = gate->adopted();
      Object handle = GateHandle::wrap(info.Env(), std::move(gate));
      handle.Set("fds", fds);
      handle.Set("adopted", Napi::Boolean::New(info.Env(), adopted));
      return handle;
    });
  }
};

Object wrapLoaded(Env env, std::unique_ptr<Gate> gate) {
  const bool sleeps = gate->sleeps();
  const std::string why = gate->whyNoSleep();
  Object handle = LoadedGateHandle::wrap(env, std::move(gate));
  handle.Set("sleeps", Napi::Boolean::New(env, sleeps));
  handle.Set("whyNoSleep", Napi::String::New(env, why));
  return handle;
}

Value loadGate(const CallbackInfo& info) {
  const std::string objectPath = toText(info[0], "objectPath");
  const std::string pinDir = toText(info[1], "pinDir");
  const std::string sleepPath = toText(info[2], "sleepPath");
  if (there.exchange(true)) wrongArgument(info.Env(), "this process has a gate already");
  const auto load = [objectPath, pinDir, sleepPath] {
    try {
      return std::make_unique<Gate>(objectPath, pinDir, sleepPath);
    } catch (...) {
      there = false;
      throw;
    }
  };
  return Background<Gate>::run(info.Env(), "tlshub gate", load, wrapLoaded);
}

}  // namespace

void addGate(Object& exports) {
  add<loadGate>(exports, "loadGate");
}

}  // namespace tlshub::addon
