/* SPDX-License-Identifier: Apache-2.0 */
// The loop of the holder: requests of the file system, words that flows have been decided, deadlines, its lease. One thread does it all, so
// that a holder whose lease is good is one that answers.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "../domain/fd.h"
#include "anchor.h"
#include "file_system.h"
#include "maps.h"
#include "parked.h"
#include "publication.h"

namespace tlshub::holder {

struct Parts {
  Maps maps;
  Fd device;   // of the file system
  Fd root;     // of the file system
  Fd wakes;    // a pipe: of each flow that has been decided comes its cookie, 8 bytes
  Fd signals;  // a signalfd: any signal ends us
  std::string program;
  uint64_t leaseNs;
  uint64_t seed;
};

class Holder {
 public:
  explicit Holder(Parts parts);
  ~Holder() { publication_.end(static_cast<uint32_t>(anchor_.pid())); }
  // Returns when there is nothing left to do. Throws SysError.
  void run();

 private:
  void waitForSomething();
  void serveRequests();
  void serve(const Request& request);
  void putToSleep(const Request& request, const Attribute& attribute);
  void takeWakes();
  void useAnchor();
  void replaceAnchor();
  void lookAround(uint64_t nowNs);
  void end(const char* why);
  void answer(const Answer& answer);
  void answerWoken(const Asking& asking);

  Parts parts_;
  FileSystem fileSystem_;
  Parked parked_;
  Publication publication_;
  Anchor anchor_;
  uint64_t anchorBegunNs_ = 0;
  bool published_ = false;
  uint64_t supersededNs_ = 0;  // since when; 0: not
  uint64_t nextLookNs_ = 0;
  uint64_t aliveNs_;  // until when agent, guardian or somebody who sleeps were known to be there
  bool ended_ = false;
  std::array<char, 4096> wakeBuffer_;
  size_t wakeBytes_ = 0;  // of a word that has not come whole yet
};

}  // namespace tlshub::holder
