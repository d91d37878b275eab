#include "lease.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../bpf/tlshub.h"
#include "clock.h"
#include "error.h"

namespace tlshub {

Lease::Lease(int leasesFd, uint32_t ttlMs, uint32_t everyMs) : ttlMs_(ttlMs) {
  void* memory = mmap(nullptr, static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_READ | PROT_WRITE, MAP_SHARED,
                      leasesFd, 0);
  if (memory == MAP_FAILED) throw SysError("mmap", "cannot map the leases");
  leases_ = static_cast<tlshub_leases*>(memory);
  stop_ = eventfd(0, EFD_CLOEXEC);
  if (stop_ < 0) throw SysError("eventfd", "cannot start the lease");
  renew();
  thread_ = std::thread([this, everyMs] {
    pollfd stop = {stop_, POLLIN, 0};
    while (poll(&stop, 1, static_cast<int>(everyMs)) == 0) renew();
  });
}

Lease::~Lease() {
  uint64_t one = 1;
  (void)!write(stop_, &one, sizeof(one));
  thread_.join();
  close(stop_);
  munmap(leases_, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

void Lease::renew() {
  __atomic_store_n(&leases_->agent_until_ns, monotonicNs() + ttlMs_ * 1000000ull, __ATOMIC_RELEASE);
}

}  // namespace tlshub
