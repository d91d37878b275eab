/* SPDX-License-Identifier: Apache-2.0 */
// The agent's sign of life in the gate's "leases" map, renewed by a thread of its own from signs of life of the threads that do its work:
// it is good for so long after the last sign of that thread which gave its last one earliest. A thread that is busy for a moment, or
// collects its garbage, has given one shortly before; one that hangs ends the lease as a death would.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "fd.h"

struct tlshub_leases;

namespace tlshub {

class Lease {
 public:
  // Maps the leases and looks every `everyMs` whether the agent's can be renewed for `ttlMs`. `beats`: words that change as long as their
  // threads work, and outlive it; one that is 0 is of a thread that has not begun. Throws SysError, std::system_error (no thread).
  Lease(int leasesFd, uint32_t ttlMs, uint32_t everyMs, std::vector<const uint32_t*> beats = {});
  // Stops renewing; the lease is left to run out.
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  // For how many ms each thread has given no sign; 0 as long as it has not begun.
  std::vector<uint32_t> silences() const;

 private:
  struct Beat {
    const uint32_t* word = nullptr;
    uint32_t last = 0;
    std::atomic<uint64_t> seenNs{0};  // 0: not begun
  };

  void renew();

  struct Unmap {
    void operator()(tlshub_leases* leases) const;
  };
  std::unique_ptr<tlshub_leases, Unmap> leases_;
  uint32_t ttlMs_;
  std::vector<Beat> beats_;
  Fd stop_;  // eventfd
  std::thread thread_;
};

}  // namespace tlshub
