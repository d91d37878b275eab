// SPDX-License-Identifier: Apache-2.0
#include "resumption.h"

#include <time.h>

#include <utility>

#include "certificate.h"

namespace tlshub::handshake {

namespace {

std::string keyOf(const std::vector<std::string>& names) {
  std::string key;
  for (const std::string& name : names) key += name + '\n';
  return key;
}

}  // namespace

int64_t unixTime() {
  return static_cast<int64_t>(time(nullptr));
}

void SessionStore::put(const std::vector<std::string>& peerNames, Entry entry) {
  const std::string key = keyOf(peerNames);
  const auto known = byKey_.find(key);
  if (known == byKey_.end()) {
    peers_.push_front({key, {}});
    byKey_[key] = peers_.begin();
  } else {
    peers_.splice(peers_.begin(), peers_, known->second);
  }
  std::list<Entry>& sessions = peers_.front().sessions;
  sessions.push_front(std::move(entry));
  if (sessions.size() > kPerPeer) sessions.pop_back();
  if (peers_.size() > kPeers) {
    byKey_.erase(peers_.back().key);
    peers_.pop_back();
  }
}

SessionStore::Entry SessionStore::take(const std::vector<std::string>& peerNames) {
  const auto known = byKey_.find(keyOf(peerNames));
  if (known == byKey_.end()) return {};
  std::list<Entry>& sessions = known->second->sessions;
  Entry freshest = std::move(sessions.front());
  sessions.pop_front();
  if (sessions.empty()) {
    peers_.erase(known->second);
    byKey_.erase(known);
  }
  return freshest;
}

size_t SessionStore::size() const {
  size_t count = 0;
  for (const Peer& peer : peers_) count += peer.sessions.size();
  return count;
}

std::vector<std::string> sessionNames(SSL_SESSION* session) {
  X509* leaf = SSL_SESSION_get0_peer(session);
  // -1: in the past; 0 is an error.
  if (leaf == nullptr || X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0) return {};
  return dnsNames(leaf);
}

}  // namespace tlshub::handshake
