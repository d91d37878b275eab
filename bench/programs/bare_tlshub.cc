// SPDX-License-Identifier: Apache-2.0
// A bare loop of TLSHub negotiations: native/domain/tlshub's client, which the provider's workers use as well, for both nodes on one
// thread. No pool, no ring, no messages, no JavaScript. What the TLSHub provider's pools are compared with. Node-API only at the bottom.
//
// A negotiation here is what two ends that begin together cannot do without, five requests: both look for a key and find none, the
// client's end asks for a handshake, both look again. The loop knows when the second look is worth while; agents must guess.
// From the master key each end makes its traffic secrets as docs/TLSHUB_API.md says. Secrets of the two ends are compared.
#include <arpa/inet.h>
#include <errno.h>
#include <napi.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../../native/domain/tlshub/client.h"
#include "bare_loop.h"

namespace {

using tlshub::module::Address;
using tlshub::module::Client;
using tlshub::module::Opcode;
using tlshub::module::Outcome;
using tlshub::module::Reply;
using tlshub::module::RequestBody;
using Secret = std::array<uint8_t, 32>;  // of SHA-256's length, as a master key is

constexpr std::chrono::milliseconds kTimeout{10'000};

struct Settings {
  int protocol;
  uint32_t clientPeer, serverPeer;  // netlink port ids of the stand-ins for the module
  size_t sockets;                   // of each node
  in_addr clientAddress, serverAddress;
  std::string clientNode, serverNode, cipher;
};

Secret hmac(const Secret& key, const std::string& data) {
  Secret result;
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), key.size(), reinterpret_cast<const uint8_t*>(data.data()), data.size(),
           result.data(), &size) == nullptr) {
    throw std::runtime_error("HMAC");
  }
  return result;
}

std::string field(const std::string& text) {
  return static_cast<char>(text.size()) + text;
}

struct Secrets {
  Secret client, server;
};

// src/tlshub/key-schedule.ts
Secrets derive(const Secret& master, const RequestBody& names, const Settings& settings) {
  struct {
    uint32_t addresses[2];
    uint16_t ports[2];
    uint32_t sequenceNumbers[2];
  } salt = {
      {names.clientAddress, names.serverAddress}, {names.clientPort, names.serverPort}, {htonl(1), htonl(2)}};
  Secret pseudorandom;
  unsigned size = 0;
  HMAC(EVP_sha256(), &salt, sizeof(salt), master.data(), master.size(), pseudorandom.data(), &size);
  const auto secret = [&](const char* direction) {
    return hmac(pseudorandom, field("tlshub-ebpf traffic v1") + field(direction) + field(settings.cipher) +
                                  field(settings.clientNode) + field(settings.serverNode) + '\1');
  };
  return {secret("client to server"), secret("server to client")};
}

class Loop {
 public:
  explicit Loop(const Settings& settings)
      : settings_(settings),
        client_(Address{settings.protocol, settings.clientPeer}, settings.sockets, nullptr),
        server_(Address{settings.protocol, settings.serverPeer}, settings.sockets, nullptr) {}

  // Connections from the client's ports 1 to `count` to `serverPort`, `atOnce` under way. How long each took, in ns.
  std::vector<double> run(uint16_t serverPort, size_t count, size_t atOnce) {
    latencies_.clear();
    latencies_.reserve(count);
    serverPort_ = serverPort;
    lastPort_ = 0;
    todo_ = count;
    while (underWay_ < atOnce && todo_ > 0) begin();
    while (underWay_ > 0 && problem_.empty()) {
      pollfd ready[] = {{client_.pollFd(), POLLIN, 0}, {server_.pollFd(), POLLIN, 0}};
      if (poll(ready, 2, -1) < 0 && errno != EINTR) throw std::runtime_error("poll");
      if (ready[0].revents) client_.poll();
      if (ready[1].revents) server_.poll();
      while (underWay_ < atOnce && todo_ > 0) begin();
    }
    if (!problem_.empty()) throw std::runtime_error(problem_);
    return latencies_;
  }

 private:
  struct Negotiation {
    RequestBody names;
    int64_t begun = 0;
    bool agreed = false, serverFoundNone = false;
    int ends = 0;  // that have their secrets
    Secrets secrets;
  };
  using Shared = std::shared_ptr<Negotiation>;

  void begin() {
    auto negotiation = std::make_shared<Negotiation>();
    negotiation->names.clientAddress = settings_.clientAddress.s_addr;
    negotiation->names.serverAddress = settings_.serverAddress.s_addr;
    negotiation->names.clientPort = htons(++lastPort_);
    negotiation->names.serverPort = htons(serverPort_);
    negotiation->begun = now(CLOCK_MONOTONIC);
    todo_--;
    underWay_++;
    fetch(negotiation, false);
    fetch(negotiation, true);
  }

  template <typename Then>
  void ask(const Shared& negotiation, Opcode opcode, bool server, Then then) {
    RequestBody body = negotiation->names;
    body.opcode = static_cast<int8_t>(opcode);
    body.server = server;
    (server ? server_ : client_).start(body, kTimeout, [this, then](Outcome&& outcome) {
      if (outcome.status != Outcome::Status::kReply) return fail(outcome.reason + " " + outcome.code);
      then(outcome.reply);
    });
  }

  void fetch(const Shared& negotiation, bool server) {
    ask(negotiation, Opcode::kFetch, server, [this, negotiation, server](const Reply& reply) {
      if (reply.kind == Reply::Kind::kKey) {
        Secret master;
        std::copy_n(reply.key->bytes, master.size(), master.begin());
        return haveKey(negotiation, master);
      }
      if (reply.kind != Reply::Kind::kKeyNone) return fail("not the answer to a look for a key");
      if (!server) return negotiation->agreed ? fail("agreed, and no key") : handshake(negotiation);
      if (std::exchange(negotiation->serverFoundNone, true)) return fail("agreed, and no key");
      if (negotiation->agreed) fetch(negotiation, true);
    });
  }

  void handshake(const Shared& negotiation) {
    ask(negotiation, Opcode::kStart, false, [this, negotiation](const Reply& reply) {
      if (reply.kind != Reply::Kind::kHandshakeDone && reply.kind != Reply::Kind::kHandshakeFirst)
        return fail("no handshake: " + reply.text);
      negotiation->agreed = true;
      fetch(negotiation, false);
      if (negotiation->serverFoundNone) fetch(negotiation, true);
    });
  }

  void haveKey(const Shared& negotiation, const Secret& master) {
    const Secrets secrets = derive(master, negotiation->names, settings_);
    if (negotiation->ends++ == 0) {
      negotiation->secrets = secrets;
      return;
    }
    if (secrets.client != negotiation->secrets.client || secrets.server != negotiation->secrets.server)
      return fail("the two ends have other secrets");
    latencies_.push_back(static_cast<double>(now(CLOCK_MONOTONIC) - negotiation->begun));
    underWay_--;
  }

  void fail(const std::string& problem) { problem_ = problem; }

  const Settings settings_;
  Client client_, server_;
  std::vector<double> latencies_;
  uint16_t serverPort_ = 0, lastPort_ = 0;
  size_t todo_ = 0, underWay_ = 0;
  std::string problem_;
};

Settings settingsFrom(const Napi::Object& from) {
  const auto text = [&](const char* name) { return from.Get(name).As<Napi::String>().Utf8Value(); };
  const auto number = [&](const char* name) { return from.Get(name).As<Napi::Number>().Uint32Value(); };
  Settings settings{static_cast<int>(number("protocol")),
                    number("clientPeer"),
                    number("serverPeer"),
                    number("sockets"),
                    {},
                    {},
                    text("clientNode"),
                    text("serverNode"),
                    text("cipher")};
  if (inet_pton(AF_INET, text("clientAddress").c_str(), &settings.clientAddress) != 1 ||
      inet_pton(AF_INET, text("serverAddress").c_str(), &settings.serverAddress) != 1) {
    throw std::runtime_error("no IPv4 address");
  }
  return settings;
}

// run(settings, {warmUpPort, serverPort, count, atOnce}) -> {cpuNs, latenciesNs}. A tenth as many warm up, to a port of their own.
Napi::Value run(const Napi::CallbackInfo& info) {
  const Napi::Object load = info[1].As<Napi::Object>();
  const auto number = [&](const char* name) { return load.Get(name).As<Napi::Number>().Uint32Value(); };
  const size_t count = number("count");
  int64_t cpu = 0;
  std::vector<double> latencies;
  try {
    Loop loop(settingsFrom(info[0].As<Napi::Object>()));
    loop.run(static_cast<uint16_t>(number("warmUpPort")), count / 10 + 1, number("atOnce"));
    cpu = now(CLOCK_THREAD_CPUTIME_ID);
    latencies = loop.run(static_cast<uint16_t>(number("serverPort")), count, number("atOnce"));
    cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
  } catch (const std::exception& problem) {
    throw Napi::Error::New(info.Env(), problem.what());
  }
  return figures(info.Env(), cpu, latencies);
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("run", Napi::Function::New(env, run, "run"));
  return exports;
}

}  // namespace

NODE_API_MODULE(bare_tlshub, initialise)
