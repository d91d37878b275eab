// SPDX-License-Identifier: Apache-2.0
// Sockets: of our own, and of others for who is no agent.
#include <unistd.h>

#include <cstring>

#include "../../domain/probe.h"
#include "flow_from.h"

namespace tlshub::addon {

Tuple tupleFrom(const Value& value) {
  Object from = objectFrom(value, "tuple");
  Tuple tuple = {};
  std::memcpy(tuple.local, bytesFrom(from.Get("local"), 16, "local"), 16);
  std::memcpy(tuple.remote, bytesFrom(from.Get("remote"), 16, "remote"), 16);
  tuple.localPort = toPort(from.Get("lport"), "lport");
  tuple.remotePort = toPort(from.Get("rport"), "rport");
  return tuple;
}

namespace {

SocketOwner toOwner(const Value& value) {
  Object from = objectFrom(value, "owner");
  return {toU32(from.Get("tgid"), "tgid"), toInt(from.Get("fd"), "fd"), toU64(from.Get("inode"), "inode"),
          toU64(from.Get("cookie"), "cookie")};
}

Value takeSocket(const CallbackInfo& info) {
  tlshub::Taken taken = tlshub::take(mapsFrom(info[0]), toOwner(info[1]));
  Object result = Object::New(info.Env());
  result.Set("live", Napi::Boolean::New(info.Env(), taken.live));
  result.Set("fd", Napi::Number::New(info.Env(), taken.fd));
  return result;
}

Value releaseSocket(const CallbackInfo& info) {
  int continued = tlshub::release(mapsFrom(info[0]), toInt(info[1], "fd"), toU64(info[2], "cookie"));
  return Napi::Number::New(info.Env(), continued);
}

Value closeFd(const CallbackInfo& info) {
  close(toInt(info[0], "fd"));
  return info.Env().Undefined();
}

Value loopbackPair(const CallbackInfo& info) {
  tlshub::Pair pair = tlshub::loopbackPair();
  Napi::Array fds = Napi::Array::New(info.Env(), 2);
  fds.Set(0u, Napi::Number::New(info.Env(), pair.client.release()));
  fds.Set(1u, Napi::Number::New(info.Env(), pair.server.release()));
  return fds;
}

Value tryCipher(const CallbackInfo& info) {
  tlshub::tryCipher(cipherFrom(info[0]));
  return info.Env().Undefined();
}

Value destroyByTuple(const CallbackInfo& info) {
  const Tuple tuple = tupleFrom(info[0]);
  return Napi::Boolean::New(info.Env(),
                            tlshub::destroySocket(tuple, toU64(info[1], "cookie"), toU32(info[2], "tgid")));
}

}  // namespace

void addSocket(Object& exports) {
  add<takeSocket>(exports, "takeSocket");
  add<releaseSocket>(exports, "releaseSocket");
  add<closeFd>(exports, "closeFd");
  add<loopbackPair>(exports, "loopbackPair");
  add<tryCipher>(exports, "tryCipher");
  add<destroyByTuple>(exports, "destroyByTuple");
}

}  // namespace tlshub::addon
