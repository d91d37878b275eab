// SPDX-License-Identifier: Apache-2.0
#include "publication.h"

#include "../../bpf/tlshub.h"

namespace tlshub::holder {
namespace {

template <typename T>
bool replace(T* at, T from, T to) {
  return __atomic_compare_exchange_n(at, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

template <typename T>
void store(T* at, T value) {
  __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

}  // namespace

// In this order: whoever sees our number sees a lease that is good, and who we are.
void Publication::begin(uint32_t pid, uint64_t nowNs) {
  untilNs_ = nowNs + leaseNs_;
  store<__u64>(&leases_->holder_until_ns, untilNs_);
  store<__u64>(&leases_->holder_start_boottime, startBoottime_);
  store<__u32>(&leases_->holder_tgid, tgid_);
  store<__u32>(&leases_->sleep_on, pid);
}

// Each of the following changes only what we have said ourselves, so that it may be too late without harm.

bool Publication::renew(uint64_t nowNs) {
  if (__atomic_load_n(&leases_->holder_tgid, __ATOMIC_ACQUIRE) != tgid_) return false;
  if (!replace<__u64>(&leases_->holder_until_ns, untilNs_, nowNs + leaseNs_)) return false;
  untilNs_ = nowNs + leaseNs_;
  return true;
}

void Publication::withdraw(uint32_t pid) {
  replace<__u32>(&leases_->sleep_on, pid, 0);
}

void Publication::offer(uint32_t pid) {
  replace<__u32>(&leases_->sleep_on, 0, pid);
}

void Publication::end(uint32_t pid) {
  if (pid) withdraw(pid);
  replace<__u64>(&leases_->holder_until_ns, untilNs_, 0);
  replace<__u32>(&leases_->holder_tgid, tgid_, 0);
}

}  // namespace tlshub::holder
