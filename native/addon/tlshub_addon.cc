// SPDX-License-Identifier: Apache-2.0
// tlshub_netlink.node: the client of the TLSHub kernel module, src/shared/kernel/tlshub-addon.ts. The thread's event loop watches the client's epoll set.
#include <napi.h>
#include <string.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../../kmod/tlshub/uapi/tlshub.h"
#include "../domain/tlshub/client.h"
#include "../domain/tlshub/generic_netlink.h"
#include "callback.h"
#include "loop_wrap.h"
#include "secret_handle.h"

namespace tlshub::addon {

namespace {

using module::Opcode;
using module::Outcome;
using module::Reply;

// A day: what is longer is a mistake in units.
constexpr double kMaxTimeoutMs = 86400e3;

uint32_t addressFrom(const Napi::Object& object, const char* name) {
  uint32_t address = 0;
  memcpy(&address, bytesFrom(object.Get(name), sizeof(address), name), sizeof(address));
  return address;
}

module::RequestBody requestFrom(const Napi::Value& value) {
  const Napi::Object object = objectFrom(value, "request");
  module::RequestBody body = {};
  body.opcode = static_cast<int8_t>(wholeFrom(object, "opcode", 0, 2));
  body.clientAddress = addressFrom(object, "clientAddress");
  body.serverAddress = addressFrom(object, "serverAddress");
  body.clientPort = htons(static_cast<uint16_t>(wholeFrom(object, "clientPort", 0, 65535)));
  body.serverPort = htons(static_cast<uint16_t>(wholeFrom(object, "serverPort", 0, 65535)));
  body.server = booleanFrom(object, "server");
  return body;
}

const char* nameOf(Reply::Kind kind) {
  switch (kind) {
    case Reply::Kind::kInitialised:
      return "initialised";
    case Reply::Kind::kHandshakeFirst:
      return "handshake-first";
    case Reply::Kind::kHandshakeDone:
      return "handshake-done";
    case Reply::Kind::kAlreadyConnected:
      return "already-connected";
    case Reply::Kind::kHandshakeFailed:
      return "handshake-failed";
    case Reply::Kind::kKey:
      return "key";
    case Reply::Kind::kKeyNone:
      return "key-none";
    case Reply::Kind::kKeyExpired:
      return "key-expired";
    default:
      return "";
  }
}

Napi::Object outcomeToJs(Napi::Env env, Outcome& outcome) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("ok", outcome.status == Outcome::Status::kReply);
  switch (outcome.status) {
    case Outcome::Status::kReply:
      object.Set("kind", nameOf(outcome.reply.kind));
      object.Set("text", outcome.reply.text);
      if (outcome.reply.kind == Reply::Kind::kKey) {
        object.Set("key", leaveSecret(env, outcome.reply.key));
      }
      break;
    case Outcome::Status::kTimeout:
      object.Set("code", "TLSHUB_MODULE_TIMEOUT");
      object.Set("reason", outcome.reason);
      break;
    case Outcome::Status::kCancelled:
      object.Set("code", "TLSHUB_HANDSHAKE_CANCELLED");
      object.Set("reason", "the request was cancelled");
      break;
    case Outcome::Status::kFailed:
      object.Set("code", outcome.code);
      object.Set("reason", outcome.reason);
      break;
  }
  return object;
}

class ClientWrap : public LoopWrap<ClientWrap, module::Client> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "TlshubClient",
                       {
                           InstanceMethod<&ClientWrap::request>("request"),
                           InstanceMethod<&ClientWrap::cancel>("cancel"),
                           InstanceMethod<&ClientWrap::statistics>("statistics"),
                           InstanceMethod<&ClientWrap::close>("close"),
                       });
  }

  // ({protocol, peerPortId, sockets}, log)
  explicit ClientWrap(const Napi::CallbackInfo& info) : LoopWrap(info) {
    const Napi::Object options = objectFrom(info[0], "options");
    const module::Address address{static_cast<int>(wholeFrom(options, "protocol", 0, 31)),
                                  static_cast<uint32_t>(wholeFrom(options, "peerPortId", 0, 4294967295.0))};
    const auto sockets = static_cast<size_t>(wholeFrom(options, "sockets", 2, 4096));
    const auto log = functionFrom(info[1], "log");
    try {
      watch(std::make_unique<module::Client>(address, sockets, [log](const std::string& line) {
        callJs(*log, [&](Napi::Env env) { return Napi::String::New(env, line); });
      }));
    } catch (const CodedError& error) {
      throw toJs(info.Env(), error);
    }
  }

 private:
  Napi::Value request(const Napi::CallbackInfo& info) {
    if (isClosed()) {
      Napi::Error error = Napi::Error::New(info.Env(), "this TLSHub client was closed");
      error.Set("code", Napi::String::New(info.Env(), "TLSHUB_CLIENT_CLOSED"));
      throw error;
    }
    const module::RequestBody body = requestFrom(info[0]);
    const double timeout = wholeFrom(objectFrom(info[0], "request"), "timeoutMs", 0, kMaxTimeoutMs);
    const auto done = functionFrom(info[1], "done");
    const uint64_t id = native().start(
        body, std::chrono::milliseconds(static_cast<int64_t>(timeout)), [done](Outcome&& outcome) {
          callJs(*done, [&](Napi::Env env) { return outcomeToJs(env, outcome); });
        });
    settle();
    return Napi::Number::New(info.Env(), static_cast<double>(id));
  }

  void cancel(const Napi::CallbackInfo& info) {
    if (const uint64_t id = idFrom(info[0])) native().cancel(id);
  }

  Napi::Value statistics(const Napi::CallbackInfo& info) {
    const module::Statistics& now = native().statistics();
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("inFlight", static_cast<double>(native().inFlight()));
    object.Set("lost", static_cast<double>(now.lost));
    object.Set("foreign", static_cast<double>(now.foreign));
    object.Set("stray", static_cast<double>(now.stray));
    object.Set("opened", static_cast<double>(now.opened));
    return object;
  }

  void close(const Napi::CallbackInfo&) { closeNative(); }
};

module::ConnectionNames namesFrom(const Napi::Value& value) {
  const Napi::Object object = objectFrom(value, "names");
  constexpr double kPort = 65535, kNumber = 4294967295.0;
  return {addressFrom(object, "clientAddress"),
          addressFrom(object, "serverAddress"),
          static_cast<uint16_t>(wholeFrom(object, "clientPort", 0, kPort)),
          static_cast<uint16_t>(wholeFrom(object, "serverPort", 0, kPort)),
          static_cast<uint32_t>(wholeFrom(object, "clientIsn", 0, kNumber)),
          static_cast<uint32_t>(wholeFrom(object, "serverIsn", 0, kNumber)),
          stringFrom(object, "cipher"),
          stringFrom(object, "clientNode"),
          stringFrom(object, "serverNode")};
}

// (master key, names) -> traffic secrets, by their handles. The master key is gone afterwards, whatever comes of it.
Napi::Value deriveSecrets(const Napi::CallbackInfo& info) {
  try {
    const auto key = SecretStore::take<module::MasterKey>(toHandle(info[0], "key"));
    Secret<TrafficSecrets> secrets = module::deriveTrafficSecrets(*key, namesFrom(info[1]));
    return leaveSecret(info.Env(), secrets);
  } catch (const std::invalid_argument& error) {
    wrongArgument(info.Env(), error.what());
  } catch (const CodedError& error) {
    throw toJs(info.Env(), error);
  }
}

Napi::Value bytesOf(Napi::Env env, std::initializer_list<std::pair<const uint8_t*, size_t>> parts) {
  size_t size = 0, at = 0;
  for (const auto& part : parts) size += part.second;
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, size);
  for (const auto& [from, length] : parts) {
    memcpy(bytes.Data() + at, from, length);
    at += length;
  }
  return bytes;
}

// What is under a handle, as bytes of JavaScript: a master key, or both traffic secrets, the client's first. The agent does not call it.
Napi::Value revealSecret(const Napi::CallbackInfo& info) {
  const SecretHandle handle = toHandle(info[0], "handle");
  try {
    if (const auto key = SecretStore::tryTake<module::MasterKey>(handle))
      return bytesOf(info.Env(), {{key->bytes, sizeof(key->bytes)}});
    const auto secrets = SecretStore::take<TrafficSecrets>(handle);
    return bytesOf(info.Env(), {{secrets->client, secrets->length}, {secrets->server, secrets->length}});
  } catch (const CodedError& error) {
    throw toJs(info.Env(), error);
  }
}

Napi::Value discardSecret(const Napi::CallbackInfo& info) {
  SecretStore::discard(toHandle(info[0], "handle"));
  return info.Env().Undefined();
}

// (command, dump, attributes) -> the attributes of each answer. What was sent is wiped: it may have been a key.
Napi::Value control(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber() || !info[1].IsBoolean() || !info[2].IsTypedArray())
    wrongArgument(info.Env(), "control(command, dump, attributes)");
  const auto command = static_cast<uint8_t>(info[0].As<Napi::Number>().Uint32Value());
  Napi::Uint8Array attributes = info[2].As<Napi::Uint8Array>();
  std::vector<module::GenericNetlink::Bytes> answers;
  try {
    module::GenericNetlink family(TLSHUB_GENL_NAME, TLSHUB_GENL_VERSION);
    answers =
        family.ask(command, info[1].As<Napi::Boolean>().Value(), attributes.Data(), attributes.ByteLength());
  } catch (const CodedError& error) {
    explicit_bzero(attributes.Data(), attributes.ByteLength());
    throw toJs(info.Env(), error);
  }
  explicit_bzero(attributes.Data(), attributes.ByteLength());
  Napi::Array array = Napi::Array::New(info.Env(), answers.size());
  for (size_t i = 0; i < answers.size(); i++) {
    Napi::Uint8Array bytes = Napi::Uint8Array::New(info.Env(), answers[i].size());
    std::copy(answers[i].begin(), answers[i].end(), bytes.Data());
    array.Set(static_cast<uint32_t>(i), bytes);
  }
  return array;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("control", Napi::Function::New(env, control, "control"));
  exports.Set("deriveSecrets", Napi::Function::New(env, deriveSecrets, "deriveSecrets"));
  exports.Set("revealSecret", Napi::Function::New(env, revealSecret, "revealSecret"));
  exports.Set("discardSecret", Napi::Function::New(env, discardSecret, "discardSecret"));
  exports.Set("Client", ClientWrap::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(tlshub_netlink, init)

}  // namespace tlshub::addon
