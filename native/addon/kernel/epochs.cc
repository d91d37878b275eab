// SPDX-License-Identifier: Apache-2.0
// The epochs of channels, and the keys of flows that are made of them.
#include "../../domain/channel/epochs.h"

#include "../secret_handle.h"
#include "flow_from.h"
#include "handle.h"

namespace tlshub::addon {
namespace {

using channel::Agreed;
using channel::Epochs;
using channel::Opened;

Opened sideFrom(const Value& value) {
  const std::string side = toText(value, "side");
  if (side == "opened") return Opened::kHere;
  if (side != "accepted") wrongArgument(value.Env(), "side must be opened or accepted");
  return Opened::kThere;
}

uint32_t epochFrom(const Value& value) {
  return static_cast<uint32_t>(toWhole(value, "epoch", 1, CHANNEL_EPOCH_IDS - 1));
}

tlshub_channel_what whatFrom(const Object& agreement) {
  const std::string what = stringFrom(agreement, "what");
  if (what == "direct") return CHANNEL_DIRECT;
  if (what != "translated") wrongArgument(agreement.Env(), "what must be direct or translated");
  return CHANNEL_TRANSLATED;
}

channel::Address addressFrom(const uint8_t* bytes) {
  channel::Address address;
  std::memcpy(address.data(), bytes, address.size());
  return address;
}

class EpochKeysHandle : public Handle<EpochKeysHandle, Epochs, Lives::kUntilClosed> {
 public:
  static constexpr char kName[] = "EpochKeys";
  using Handle::Handle;

  static std::vector<PropertyDescriptor> methods() {
    return {InstanceMethod<&EpochKeysHandle::add>("add"), InstanceMethod<&EpochKeysHandle::addOwn>("addOwn"),
            InstanceMethod<&EpochKeysHandle::forget>("forget"),
            InstanceMethod<&EpochKeysHandle::derive>("derive"), closing("close")};
  }

 private:
  Napi::Value add(const CallbackInfo& info) {
    return guard(info, [&]() -> Napi::Value {
      const Opened by = sideFrom(info[0]);
      const uint32_t epoch = epochFrom(info[1]);
      Epochs::Names names{toText(info[2], "opener"), toText(info[3], "listener"), cipherFrom(info[4])};
      Epochs& epochs = owned();
      const SecretHandle handle = toHandle(info[5], "secret");
      epochs.add(by, epoch, std::move(names), SecretStore::take<channel::EpochSecret>(handle));
      return info.Env().Undefined();
    });
  }

  Napi::Value addOwn(const CallbackInfo& info) {
    return guard(info, [&]() -> Napi::Value {
      const uint32_t epoch = epochFrom(info[0]);
      const std::string node = toText(info[1], "node");
      owned().addOwn(epoch, node, cipherFrom(info[2]));
      return info.Env().Undefined();
    });
  }

  Napi::Value forget(const CallbackInfo& info) {
    return guard(info, [&]() -> Napi::Value {
      const Opened by = sideFrom(info[0]);
      const std::string peer = toText(info[1], "peer");
      owned().forget(by, peer, epochFrom(info[2]));
      return info.Env().Undefined();
    });
  }

  Napi::Value derive(const CallbackInfo& info) {
    return guard(info, [&]() -> Napi::Value {
      const Napi::Env env = info.Env();
      const Opened by = sideFrom(info[0]);
      const std::string peer = toText(info[1], "peer");
      const Object agreement = objectFrom(info[2], "agreement");
      const Tuple tuple = tupleFrom(info[3]);
      const Agreed agreed{
          whatFrom(agreement),
          epochFrom(agreement.Get("epoch")),
          toPort(agreement.Get("number"), "number"),
          addressFrom(tuple.local),
          addressFrom(tuple.remote),
          tuple.localPort,
          tuple.remotePort,
          toU32(info[4], "iss"),
          toU32(info[5], "irs"),
      };
      Epochs::Keys keys;
      switch (owned().derive(by, peer, agreed, &keys)) {
        case Epochs::Refusal::kUnknown:
          return Napi::String::New(env, "unknown");
        case Epochs::Refusal::kTaken:
          return Napi::String::New(env, "taken");
        case Epochs::Refusal::kNone:
          break;
      }
      Object result = Object::New(env);
      // A server may accept late.
      result.Set("secrets", leaveSecret(env, keys.secrets, Left::kForGood));
      result.Set("cipher", Napi::String::New(env, cipherName(keys.cipher)));
      result.Set("peerName", Napi::String::New(env, keys.peer));
      return result;
    });
  }
};

Value openEpochKeys(const CallbackInfo& info) {
  return EpochKeysHandle::wrap(info.Env(), std::make_unique<Epochs>());
}

}  // namespace

void addEpochs(Object& exports) {
  add<openEpochKeys>(exports, "openEpochKeys");
}

}  // namespace tlshub::addon
