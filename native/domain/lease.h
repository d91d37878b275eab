// The agent's sign of life in the gate's "leases" map, renewed by a thread of its own: a JavaScript thread that is busy, or a
// garbage collection, must not look like a death.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "fd.h"

struct tlshub_leases;

namespace tlshub {

class Lease {
 public:
  // Maps the leases and renews the agent's for `ttlMs` every `everyMs`. Throws SysError, std::system_error (no thread).
  Lease(int leasesFd, uint32_t ttlMs, uint32_t everyMs);
  // Stops renewing; the lease is left to run out.
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

 private:
  void renew();

  struct Unmap {
    void operator()(tlshub_leases* leases) const;
  };
  std::unique_ptr<tlshub_leases, Unmap> leases_;
  uint32_t ttlMs_;
  Fd stop_;  // eventfd
  std::thread thread_;
};

}  // namespace tlshub
