// SPDX-License-Identifier: Apache-2.0
#include "channel_driver.h"

#include <cstring>
#include <utility>
#include <vector>

#include "../domain/channel/context.h"
#include "callback.h"
#include "handshake_binding.h"
#include "secret_handle.h"

namespace tlshub::addon {

namespace {

using channel::Close;
using channel::News;
using channel::Refusal;

struct Word {
  const char* text;
  int number;
};

constexpr Word kRefusals[] = {
    {"too-many", static_cast<int>(Refusal::kTooMany)}, {"not-wanted", static_cast<int>(Refusal::kNotWanted)},
    {"leaving", static_cast<int>(Refusal::kLeaving)},  {"epoch", static_cast<int>(Refusal::kEpoch)},
    {"name", static_cast<int>(Refusal::kName)},
};
constexpr Word kCloses[] = {
    {"over", static_cast<int>(Close::kOver)},           {"replaced", static_cast<int>(Close::kReplaced)},
    {"changed", static_cast<int>(Close::kCredentials)}, {"unused", static_cast<int>(Close::kIdle)},
    {"leaving", static_cast<int>(Close::kLeaving)},
};

template <typename Enum, size_t kCount>
Enum wordFrom(const Napi::Value& value, const Word (&words)[kCount], const char* name) {
  const std::string text = toText(value, name);
  for (const Word& word : words) {
    if (text == word.text) return static_cast<Enum>(word.number);
  }
  std::string all;
  for (const Word& word : words) all += (all.empty() ? "" : ", ") + std::string(word.text);
  wrongArgument(value.Env(), std::string(name) + " must be one of: " + all);
}

channel::Address addressFrom(const Napi::Value& host, const Napi::Value& port) {
  return {toText(host, "address"), toPort(port, "port")};
}

const char* typeOf(News::What what) {
  switch (what) {
    case News::kProposed:
      return "proposed";
    case News::kOpen:
      return "open";
    case News::kNumberTaken:
      return "number-taken";
    case News::kClosing:
      return "closing";
    case News::kEnded:
      break;
  }
  return "ended";
}

const char* textOf(Close why) {
  for (const Word& word : kCloses) {
    if (word.number == static_cast<int>(why)) return word.text;
  }
  return "other";  // of a newer agent
}

Napi::Object newsToJs(Napi::Env env, News& news) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("type", typeOf(news.what));
  object.Set("id", static_cast<double>(news.id));
  object.Set("side", news.side == channel::Side::kOpener ? "opened" : "accepted");
  object.Set("epoch", news.epoch);
  object.Set("opener", news.opener);
  object.Set("listener", news.listener);
  object.Set("cipher", news.cipher);
  object.Set("group", news.group);
  if (news.what == News::kOpen) object.Set("secret", leaveSecret(env, news.secret));
  if (news.what == News::kNumberTaken) object.Set("number", static_cast<uint32_t>(news.number));
  if (news.what == News::kClosing) object.Set("why", textOf(news.why));
  if (news.what == News::kEnded) {
    object.Set("code", news.code);
    object.Set("reason", news.reason);
  }
  return object;
}

}  // namespace

Napi::Function ChannelsWrap::define(Napi::Env env) {
  return DefineClass(env, "Channels",
                     {
                         InstanceMethod<&ChannelsWrap::listen>("listen"),
                         InstanceMethod<&ChannelsWrap::takeListener>("takeListener"),
                         InstanceMethod<&ChannelsWrap::setNodes>("setNodes"),
                         InstanceMethod<&ChannelsWrap::open>("open"),
                         InstanceMethod<&ChannelsWrap::accept>("accept"),
                         InstanceMethod<&ChannelsWrap::reject>("reject"),
                         InstanceMethod<&ChannelsWrap::numberTaken>("numberTaken"),
                         InstanceMethod<&ChannelsWrap::close>("close"),
                         InstanceMethod<&ChannelsWrap::closeAll>("closeAll"),
                         InstanceMethod<&ChannelsWrap::stats>("stats"),
                         InstanceMethod<&ChannelsWrap::shut>("shut"),
                     });
}

ChannelsWrap::ChannelsWrap(const Napi::CallbackInfo& info) : LoopWrap(info) {
  const Napi::Object options = objectFrom(info[0], "options");
  const handshake::Credentials credentials = credentialsFrom(options.Get("credentials"));
  const std::vector<std::string> groups = stringsFrom(options, "groups");
  std::string ownName = stringFrom(options, "ownName");
  auto onEvent = functionFrom(info[1], "onEvent");
  try {
    watch(std::make_unique<channel::Driver>(
        channel::createContext(credentials, groups), std::move(ownName),
        [onEvent](News&& news) { callJs(*onEvent, [&](Napi::Env env) { return newsToJs(env, news); }); }));
  } catch (const handshake::CredentialsError& problem) {
    throw credentialsToJs(info.Env(), problem);
  } catch (const CodedError& problem) {
    throw toJs(info.Env(), problem);
  }
}

Napi::Value ChannelsWrap::listen(const Napi::CallbackInfo& info) {
  const channel::Address address = addressFrom(info[0], info[1]);
  if (isClosed()) wrongArgument(info.Env(), "these channels were shut");
  try {
    const uint16_t port = native().listen(address);
    settle();
    return Napi::Number::New(info.Env(), port);
  } catch (const CodedError& problem) {
    throw toJs(info.Env(), problem);
  }
}

Napi::Value ChannelsWrap::takeListener(const Napi::CallbackInfo& info) {
  const Napi::Function type = info.Env().GetInstanceData<HandshakeClasses>()->channels.Value();
  if (!info[0].IsObject() || !info[0].As<Napi::Object>().InstanceOf(type))
    wrongArgument(info.Env(), "from must come from createChannels() of this thread");
  if (isClosed()) wrongArgument(info.Env(), "these channels were shut");
  ChannelsWrap& from = *Unwrap(info[0].As<Napi::Object>());
  const uint16_t port = native().takeListener(from.native());
  from.settle();
  settle();
  return Napi::Number::New(info.Env(), port);
}

void ChannelsWrap::setNodes(const Napi::CallbackInfo& info) {
  const std::vector<std::string> names = stringsFrom(info[0], "names");
  if (!info[1].IsArray()) wrongArgument(info.Env(), "addresses must be an array");
  const Napi::Array array = info[1].As<Napi::Array>();
  std::vector<channel::Source> addresses(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    channel::Source& address = addresses[i];
    std::memcpy(address.data(), bytesFrom(array.Get(i), address.size(), "an address"), address.size());
  }
  native().setNodes(names, addresses);
}

Napi::Value ChannelsWrap::open(const Napi::CallbackInfo& info) {
  const Napi::Object object = objectFrom(info[0], "target");
  channel::Driver::Target target;
  target.address = addressFrom(object.Get("address"), object.Get("port"));
  target.node = stringFrom(object, "node");
  target.epoch = toU32(object.Get("epoch"), "epoch");
  if (isClosed()) wrongArgument(info.Env(), "these channels were shut");
  const uint64_t id = native().open(target);
  settle();
  return Napi::Number::New(info.Env(), static_cast<double>(id));
}

void ChannelsWrap::accept(const Napi::CallbackInfo& info) {
  native().accept(idFrom(info[0]));
}

void ChannelsWrap::reject(const Napi::CallbackInfo& info) {
  const uint64_t id = idFrom(info[0]);
  native().reject(id, wordFrom<Refusal>(info[1], kRefusals, "why"), toText(info[2], "text"));
}

void ChannelsWrap::numberTaken(const Napi::CallbackInfo& info) {
  const uint64_t id = idFrom(info[0]);
  native().numberTaken(id, static_cast<uint16_t>(toWhole(info[1], "number", 0, UINT16_MAX)));
}

void ChannelsWrap::close(const Napi::CallbackInfo& info) {
  const uint64_t id = idFrom(info[0]);
  native().close(id, wordFrom<Close>(info[1], kCloses, "why"));
}

void ChannelsWrap::closeAll(const Napi::CallbackInfo& info) {
  native().closeAll(wordFrom<Close>(info[0], kCloses, "why"));
  settle();
}

Napi::Value ChannelsWrap::stats(const Napi::CallbackInfo& info) {
  const channel::Driver::Stats stats = native().stats();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("sessions", static_cast<double>(stats.sessions));
  object.Set("untold", static_cast<double>(stats.untold));
  object.Set("halfOpen", static_cast<double>(stats.halfOpen));
  object.Set("turnedAway", static_cast<double>(stats.turnedAway));
  object.Set("rests", static_cast<double>(stats.rests));
  object.Set("connections", static_cast<double>(stats.connections));
  return object;
}

void ChannelsWrap::shut(const Napi::CallbackInfo&) {
  closeNative();
}

}  // namespace tlshub::addon
