/* SPDX-License-Identifier: Apache-2.0 */
// The epochs that this process makes flows' keys of: their secrets, their names, and of those that were opened to it the numbers that have
// been taken. Which epochs there are is decided elsewhere; an epoch is here before anybody is told its id, and is forgotten last.
//
// It belongs to one thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "epoch_secret.h"
#include "key_schedule.h"
#include "numbers.h"

namespace tlshub::channel {

// By whom: this node, or the peer. So it is the active side's, or the passive side's.
enum class Opened { kHere, kThere };

// What a flow's two ends have agreed on, with what this end sees of it.
struct Agreed {
  tlshub_channel_what what;
  uint32_t epoch;
  uint16_t number;
  Address local, remote;
  uint16_t localPort, remotePort;
  uint32_t iss, irs;  // of this end, and of the peer
};

class Epochs {
 public:
  struct Names {
    std::string opener, listener;  // as the opener writes them: they go into keys
    Cipher cipher;
  };
  struct Keys {
    Secret<TrafficSecrets> secrets;
    Cipher cipher;
    std::string peer;
  };
  enum class Refusal { kNone, kUnknown, kTaken };

  // Throws std::invalid_argument: there is one of this id and peer already. Its numbers are used: nothing may begin them anew.
  void add(Opened by, uint32_t epoch, Names names, Secret<EpochSecret> secret);
  // For flows within the node: opened here, to itself, with a secret of its own. Throws CodedError TLSHUB_SECRETS: no memory.
  void addOwn(uint32_t epoch, const std::string& node, Cipher cipher);
  // Wipes its secret. No error if it is gone.
  void forget(Opened by, const std::string& peer, uint32_t epoch);

  // A number of an epoch that was opened there is used up by it. Throws CodedError TLSHUB_SECRETS: no memory.
  Refusal derive(Opened by, const std::string& peer, const Agreed& agreed, Keys* keys);

 private:
  struct Epoch {
    Names names;
    Secret<EpochSecret> secret;
    std::unique_ptr<Numbers>
        numbers;  // opened there: whoever opens it gives each once, here it is seen that he does
  };
  using Key = std::pair<std::string, uint32_t>;  // the peer's name, since each opener counts by itself

  std::map<Key, Epoch>& of(Opened by) { return by == Opened::kHere ? here_ : there_; }

  std::map<Key, Epoch> here_, there_;
};

}  // namespace tlshub::channel
