// SPDX-License-Identifier: Apache-2.0
// tlshub_load.node: the engines of tlshub_bench; src/shared/kernel/load-addon.ts is its contract.
#include <napi.h>
#include <sys/resource.h>

#include <cstring>
#include <memory>
#include <string>

#include "../domain/load/client.h"
#include "../domain/load/server.h"
#include "arguments.h"

namespace tlshub::addon {

namespace {

using load::Address;

constexpr double kMostCount = 9007199254740991;  // Number.MAX_SAFE_INTEGER
constexpr double kMostSeconds = 366.0 * 86400;

load::Nanoseconds secondsFrom(const Napi::Object& object, const char* name) {
  return static_cast<load::Nanoseconds>(numberFrom(object, name, 0, kMostSeconds) * 1e9);
}

Address addressFrom(const Napi::Object& object, const char* ip, const char* port) {
  return Address::from(object.Get(ip).ToString(), static_cast<uint16_t>(numberFrom(object, port, 0, 65535)));
}

load::ClientOptions clientFrom(const Napi::Object& object) {
  load::ClientOptions options;
  options.target = addressFrom(object, "targetIp", "targetPort");
  const auto sources = object.Get("sourceIps").As<Napi::Array>();
  for (uint32_t i = 0; i < sources.Length(); i++)
    options.sources.push_back(Address::from(sources.Get(i).ToString(), 0));
  options.bytes = static_cast<uint64_t>(numberFrom(object, "dataSize", 1, kMostCount));
  options.requests = static_cast<uint32_t>(numberFrom(object, "requestsPerConnection", 1, UINT32_MAX));
  options.connections = static_cast<uint64_t>(numberFrom(object, "connections", 0, kMostCount));
  options.concurrency = static_cast<uint32_t>(numberFrom(object, "concurrency", 1, 1 << 24));
  options.rate = numberFrom(object, "rate", 0, 1e9);
  options.duration = secondsFrom(object, "durationSeconds");
  options.hold = secondsFrom(object, "holdSeconds");
  options.timeout = secondsFrom(object, "timeoutSeconds");
  return options;
}

load::ServerOptions serverFrom(const Napi::Object& object) {
  load::ServerOptions options;
  options.listen = addressFrom(object, "listenIp", "listenPort");
  options.connections = static_cast<uint64_t>(numberFrom(object, "connections", 0, kMostCount));
  options.duration = secondsFrom(object, "durationSeconds");
  return options;
}

class EngineWrap : public Napi::ObjectWrap<EngineWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Engine",
        {InstanceMethod<&EngineWrap::take>("take"), InstanceMethod<&EngineWrap::status>("status"),
         InstanceMethod<&EngineWrap::stop>("stop"), InstanceMethod<&EngineWrap::close>("close")});
  }

  explicit EngineWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineWrap>(info) {
    const std::string mode = info[0].ToString();
    const Napi::Object object = info[1].ToObject();
    try {
      if (mode == "client") {
        engine_ = std::make_unique<load::Client>(clientFrom(object));
      } else {
        auto server = std::make_unique<load::Server>(serverFrom(object));
        port_ = server->port();
        engine_ = std::move(server);
      }
      engine_->start();
    } catch (const CodedError& error) {
      throw toJs(info.Env(), error);
    }
  }

 private:
  // What has ended since the last call: {connections: Buffer of ConnectionRecord, requests: BigInt64Array of ns}.
  Napi::Value take(const Napi::CallbackInfo& info) {
    engine_->outbox().take(connections_, requests_);
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("connections",
               Napi::Buffer<uint8_t>::Copy(info.Env(), reinterpret_cast<const uint8_t*>(connections_.data()),
                                           connections_.size() * sizeof(load::ConnectionRecord)));
    auto requests = Napi::BigInt64Array::New(info.Env(), requests_.size(), napi_bigint64_array);
    if (!requests_.empty()) memcpy(requests.Data(), requests_.data(), requests_.size() * sizeof(int64_t));
    result.Set("requests", requests);
    return result;
  }

  Napi::Value status(const Napi::CallbackInfo& info) {
    Napi::Object result = Napi::Object::New(info.Env());
    // First: what is taken after it was seen is complete.
    const bool finished = engine_->finished();
    result.Set("finished", Napi::Boolean::New(info.Env(), finished));
    result.Set("begun", Napi::Number::New(info.Env(), static_cast<double>(engine_->begun())));
    result.Set("open", Napi::Number::New(info.Env(), engine_->open()));
    result.Set("waits", Napi::Number::New(info.Env(), static_cast<double>(engine_->waits())));
    result.Set("elapsedSeconds",
               Napi::Number::New(info.Env(), static_cast<double>(engine_->elapsed()) / 1e9));
    result.Set("port", Napi::Number::New(info.Env(), port_));
    result.Set("error", Napi::String::New(info.Env(), finished ? engine_->error() : ""));
    return result;
  }

  void stop(const Napi::CallbackInfo& info) {
    const double seconds = info[0].ToNumber();
    engine_->stop(static_cast<load::Nanoseconds>(seconds * 1e9));
  }

  void close(const Napi::CallbackInfo&) { engine_->join(); }

  std::unique_ptr<load::Engine> engine_;
  uint16_t port_ = 0;
  std::vector<load::ConnectionRecord> connections_;
  std::vector<int64_t> requests_;
};

// Raises the limit on open files as far as this process may; returns it.
Napi::Value raiseFileLimit(const Napi::CallbackInfo& info) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return Napi::Number::New(info.Env(), static_cast<double>(limit.rlim_cur));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Engine", EngineWrap::define(env));
  exports.Set("raiseFileLimit", Napi::Function::New(env, raiseFileLimit, "raiseFileLimit"));
  return exports;
}

}  // namespace

NODE_API_MODULE(tlshub_load, init)

}  // namespace tlshub::addon
