#include "lease.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

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

Lease::Lease(int leasesFd, uint32_t ttlMs, uint32_t everyMs) : ttlMs_(ttlMs) {
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
  __atomic_store_n(&leases_->agent_until_ns, monotonicNs() + ttlMs_ * 1000000ull, __ATOMIC_RELEASE);
}

}  // namespace tlshub
