// SPDX-License-Identifier: Apache-2.0
#include "epochs.h"

#include <sys/random.h>

#include <cerrno>
#include <stdexcept>

#include "../error.h"

namespace tlshub::channel {
namespace {

FlowNames namesOf(Opened by, const Agreed& agreed, const Epochs::Names& names) {
  const bool active = by == Opened::kHere;
  FlowNames flow;
  flow.what = agreed.what;
  flow.clientAddress = active ? agreed.local : agreed.remote;
  flow.serverAddress = active ? agreed.remote : agreed.local;
  flow.clientPort = active ? agreed.localPort : agreed.remotePort;
  flow.serverPort = active ? agreed.remotePort : agreed.localPort;
  flow.clientIsn = active ? agreed.iss : agreed.irs;
  flow.serverIsn = active ? agreed.irs : agreed.iss;
  flow.epoch = agreed.epoch;
  flow.number = agreed.number;
  flow.cipher = names.cipher;
  flow.clientNode = names.opener;
  flow.serverNode = names.listener;
  return flow;
}

Secret<EpochSecret> drawn() {
  Secret<EpochSecret> secret = SecretStore::make<EpochSecret>();
  size_t have = 0;
  while (have < sizeof(secret->bytes)) {
    const ssize_t n = getrandom(secret->bytes + have, sizeof(secret->bytes) - have, 0);
    if (n < 0 && errno != EINTR) throw SysError("getrandom", "an epoch's secret cannot be drawn");
    if (n > 0) have += static_cast<size_t>(n);
  }
  return secret;
}

}  // namespace

void Epochs::add(Opened by, uint32_t epoch, Names names, Secret<EpochSecret> secret) {
  if (!secret) throw std::invalid_argument("an epoch without a secret");
  const std::string& peer = by == Opened::kHere ? names.listener : names.opener;
  const auto [at, added] = of(by).try_emplace(Key(peer, epoch));
  if (!added) throw std::invalid_argument("there is such an epoch already");
  at->second.names = std::move(names);
  at->second.secret = std::move(secret);
  if (by == Opened::kThere) at->second.numbers = std::make_unique<Numbers>();
}

void Epochs::addOwn(uint32_t epoch, const std::string& node, Cipher cipher) {
  Secret<EpochSecret> here = drawn(), there = SecretStore::make<EpochSecret>();
  *there = *here;
  add(Opened::kHere, epoch, {node, node, cipher}, std::move(here));
  add(Opened::kThere, epoch, {node, node, cipher}, std::move(there));
}

void Epochs::forget(Opened by, const std::string& peer, uint32_t epoch) {
  of(by).erase(Key(peer, epoch));
}

Epochs::Refusal Epochs::derive(Opened by, const std::string& peer, const Agreed& agreed, Keys* keys) {
  const auto at = of(by).find(Key(peer, agreed.epoch));
  if (at == of(by).end()) return Refusal::kUnknown;
  const Epoch& epoch = at->second;
  // Before there are keys: whatever goes wrong from here on, there are none of this number again.
  if (epoch.numbers && !epoch.numbers->take(agreed.number)) return Refusal::kTaken;
  keys->secrets = deriveTrafficSecrets(*epoch.secret, namesOf(by, agreed, epoch.names));
  keys->cipher = epoch.names.cipher;
  keys->peer = peer;
  return Refusal::kNone;
}

}  // namespace tlshub::channel
