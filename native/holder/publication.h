/* SPDX-License-Identifier: Apache-2.0 */
// What a holder says in the gate's "leases" map. Two may be there at once: a later one takes the place of an earlier one, which sees that
// and writes nothing there any more. Pure but for the memory that it is given.
#pragma once

#include <cstdint>

struct tlshub_leases;

namespace tlshub::holder {

class Publication {
 public:
  // `tgid` and `startBoottime`: of the holder
  Publication(tlshub_leases* leases, uint32_t tgid, uint64_t startBoottime, uint64_t leaseNs)
      : leases_(leases), tgid_(tgid), startBoottime_(startBoottime), leaseNs_(leaseNs) {}

  // Takes the place of whoever is there: threads may be put to sleep on `pid` for as long as the lease is renewed.
  void begin(uint32_t pid, uint64_t nowNs);
  // Renews the lease. False: it is not ours any more, since a later holder is there, or a guardian that found that it had run out.
  bool renew(uint64_t nowNs);
  // `pid` has ended.
  void withdraw(uint32_t pid);
  // Another one is there in its place.
  void offer(uint32_t pid);
  // Nobody is to be put to sleep by us any more.
  void end(uint32_t pid);

 private:
  tlshub_leases* leases_;
  uint32_t tgid_;
  uint64_t startBoottime_;
  uint64_t leaseNs_;
  uint64_t untilNs_ = 0;  // as we said it last
};

}  // namespace tlshub::holder
