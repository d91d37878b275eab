// The agent's sign of life in the gate's "leases" map, renewed by a thread of its own: a JavaScript thread that is busy, or a
// garbage collection, must not look like a death.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

struct tlshub_leases;

namespace tlshub {

class Lease {
 public:
  // Maps the leases and renews the agent's for `ttlMs` every `everyMs`. Throws SysError.
  Lease(int leasesFd, uint32_t ttlMs, uint32_t everyMs);
  // Stops renewing; the lease is left to run out.
  ~Lease();

 private:
  void renew();

  tlshub_leases* leases_;
  uint32_t ttlMs_;
  int stop_;  // eventfd
  std::thread thread_;
};

}  // namespace tlshub
