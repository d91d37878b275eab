// SPDX-License-Identifier: Apache-2.0
#include "lease.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "../../bpf/tlshub.h"
#include "clock.h"
#include "error.h"

namespace tlshub {

namespace {

size_t pageBytes() {
  return static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

void Lease::Unmap::operator()(tlshub_leases* leases) const {
  munmap(leases, pageBytes());
}

Lease::Lease(int leasesFd, uint32_t ttlMs, uint32_t everyMs, std::vector<const uint32_t*> beats)
    : ttlMs_(ttlMs), beats_(beats.size()) {
  for (size_t i = 0; i < beats.size(); i++) beats_[i].word = beats[i];
  void* memory = mmap(nullptr, pageBytes(), PROT_READ | PROT_WRITE, MAP_SHARED, leasesFd, 0);
  if (memory == MAP_FAILED) throw SysError("mmap", "cannot map the leases");
  leases_.reset(static_cast<tlshub_leases*>(memory));
  stop_.reset(eventfd(0, EFD_CLOEXEC));
  if (!stop_) throw SysError("eventfd", "cannot start the lease");
  thread_ = std::thread([this, everyMs] {
    pollfd stop = {stop_.get(), POLLIN, 0};
    while (poll(&stop, 1, static_cast<int>(everyMs)) == 0) renew();
  });
  // Last: one that does not come about leaves no sign of life.
  renew();
}

Lease::~Lease() {
  uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof(one));
  thread_.join();
}

void Lease::renew() {
  const uint64_t now = monotonicNs();
  uint64_t earliest = now;
  for (Beat& beat : beats_) {
    const uint32_t count = __atomic_load_n(beat.word, __ATOMIC_ACQUIRE);
    if (count == 0) continue;
    if (count != beat.last || beat.seenNs == 0) beat.seenNs = now;
    beat.last = count;
    earliest = std::min(earliest, beat.seenNs.load());
  }
  __atomic_store_n(&leases_->agent_until_ns, earliest + ttlMs_ * 1000000ull, __ATOMIC_RELEASE);
}

std::vector<uint32_t> Lease::silences() const {
  const uint64_t now = monotonicNs();
  std::vector<uint32_t> silences;
  for (const Beat& beat : beats_) {
    const uint64_t seen = beat.seenNs;
    silences.push_back(seen && seen < now ? static_cast<uint32_t>((now - seen) / 1000000) : 0);
  }
  return silences;
}

}  // namespace tlshub
