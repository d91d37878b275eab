// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>

#include "../clock.h"

#define EXPORT __attribute__((visibility("default")))

namespace tlshub {
namespace {

enum class Owner : uint8_t { kNobody, kCaller, kHandle };

struct Piece {
  uint32_t generation;  // of the last handle
  uint32_t kind;
  uint64_t leftNs;
  uint8_t bytes[kSecretBytes];
};
static_assert(sizeof(Piece) == 128 && offsetof(Piece, bytes) % 16 == 0);

// As leftNs: it does not expire.
constexpr uint64_t kForGood = UINT64_MAX;

constexpr size_t kRegionBytes = 64 << 10;
constexpr uint32_t kPerRegion = kRegionBytes / sizeof(Piece);
constexpr uint32_t kRegions = 128;
constexpr unsigned kPlaceBits = 20;
static_assert(kPerRegion * kRegions <= 1u << kPlaceBits);
static_assert(kPlaceBits + 32 <= 53);  // Number.MAX_SAFE_INTEGER

// Who has a piece, and the list of those that nobody has: beside the pieces and not in them, so that no secret is next to a link.
struct Place {
  Owner owner;
  uint32_t next;
};
constexpr uint32_t kNone = UINT32_MAX;

class Memory {
 public:
  void* take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_ == kNone && !grow()) return nullptr;
    const uint32_t at = free_;
    free_ = place(at).next;
    place(at).owner = Owner::kCaller;
    used_++;
    return piece(at).bytes;
  }

  void giveBack(void* bytes) {
    // Outside of the lock: it is the caller's.
    explicit_bzero(bytes, kSecretBytes);
    const std::lock_guard<std::mutex> lock(mutex_);
    freePlace(placeOf(bytes));
  }

  SecretHandle leave(void* bytes, uint32_t kind, bool expires) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint32_t at = placeOf(bytes);
    Piece& its = piece(at);
    if (++its.generation == 0) its.generation = 1;
    its.kind = kind;
    its.leftNs = expires ? monotonicNs() : kForGood;
    place(at).owner = Owner::kHandle;
    left_++;
    return static_cast<uint64_t>(its.generation) << kPlaceBits | at;
  }

  void* find(SecretHandle handle, uint32_t kind) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint32_t at = placeOf(handle);
    if (at == kNone || piece(at).kind != kind) return nullptr;
    place(at).owner = Owner::kCaller;
    left_--;
    return piece(at).bytes;
  }

  bool discard(SecretHandle handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint32_t at = placeOf(handle);
    if (at == kNone) return false;
    wipe(at);
    return true;
  }

  uint32_t expire(uint64_t nanoseconds) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint64_t now = monotonicNs();
    uint32_t count = 0;
    for (uint32_t at = 0; at < regions_ * kPerRegion && left_ > 0; at++) {
      if (place(at).owner != Owner::kHandle || piece(at).leftNs == kForGood) continue;
      if (now - piece(at).leftNs < nanoseconds) continue;
      wipe(at);
      count++;
    }
    expired_ += count;
    return count;
  }

  int prepare() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return regions_ > 0 || grow() ? 0 : errno;
  }

  SecretMemoryState state() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return {regions_ * kRegionBytes, lockedBytes_, used_, left_, expired_, lockError_};
  }

 private:
  Piece& piece(uint32_t at) { return memory_[at / kPerRegion][at % kPerRegion]; }
  Place& place(uint32_t at) { return places_[at]; }

  // Of a handle that somebody may still come for, else kNone.
  uint32_t placeOf(SecretHandle handle) {
    const auto at = static_cast<uint32_t>(handle & ((1u << kPlaceBits) - 1));
    if (at >= regions_ * kPerRegion || place(at).owner != Owner::kHandle) return kNone;
    return piece(at).generation == handle >> kPlaceBits ? at : kNone;
  }

  uint32_t placeOf(const void* bytes) const {
    const auto* const at =
        reinterpret_cast<const Piece*>(static_cast<const uint8_t*>(bytes) - offsetof(Piece, bytes));
    for (uint32_t region = 0; region < regions_; region++) {
      const Piece* const first = memory_[region];
      if (at >= first && at < first + kPerRegion)
        return region * kPerRegion + static_cast<uint32_t>(at - first);
    }
    return kNone;
  }

  void wipe(uint32_t at) {
    explicit_bzero(piece(at).bytes, kSecretBytes);
    left_--;
    freePlace(at);
  }

  void freePlace(uint32_t at) {
    place(at) = {Owner::kNobody, free_};
    free_ = at;
    used_--;
  }

  bool grow() {
    if (regions_ == kRegions) {
      errno = ENOSPC;
      return false;
    }
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* const all = mmap(nullptr, kRegionBytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return false;
    void* const at = static_cast<uint8_t*>(all) + page;
    if (mprotect(at, kRegionBytes, PROT_READ | PROT_WRITE)) {
      const int error = errno;
      munmap(all, kRegionBytes + 2 * page);
      errno = error;
      return false;
    }
    // Before the first secret is in it. Both advices are taken by every kernel that this runs on.
    madvise(at, kRegionBytes, MADV_DONTDUMP);
    madvise(at, kRegionBytes, MADV_DONTFORK);
    // A limit on locked memory must not keep connections from being secured: whoever starts the agent is told (lockError). By its number,
    // since under a sanitizer mlock() does nothing and says that it has.
    if (syscall(SYS_mlock, at, kRegionBytes)) {
      lockError_ = errno;
    } else {
      lockedBytes_ += kRegionBytes;
    }
    memory_[regions_] = static_cast<Piece*>(at);
    const uint32_t first = regions_++ * kPerRegion;
    for (uint32_t i = kPerRegion; i-- > 0;) {
      place(first + i) = {Owner::kNobody, free_};
      free_ = first + i;
    }
    return true;
  }

  std::mutex mutex_;
  std::array<Piece*, kRegions> memory_{};
  std::array<Place, kPerRegion * kRegions> places_{};
  uint32_t regions_ = 0, free_ = kNone, used_ = 0, left_ = 0;
  uint64_t lockedBytes_ = 0, expired_ = 0;
  int lockError_ = 0;
};

// Never destroyed: threads may end after it would be.
Memory& memory() {
  static Memory* const only = new Memory();
  return *only;
}

}  // namespace
}  // namespace tlshub

using tlshub::memory;

EXPORT void* tlshub_secret_new() noexcept {
  return memory().take();
}
EXPORT void tlshub_secret_free(void* piece) noexcept {
  memory().giveBack(piece);
}
EXPORT tlshub::SecretHandle tlshub_secret_leave(void* piece, uint32_t kind, bool expires) noexcept {
  return memory().leave(piece, kind, expires);
}
EXPORT void* tlshub_secret_take(tlshub::SecretHandle handle, uint32_t kind) noexcept {
  return memory().find(handle, kind);
}
EXPORT bool tlshub_secret_discard(tlshub::SecretHandle handle) noexcept {
  return memory().discard(handle);
}
EXPORT uint32_t tlshub_secret_expire(uint64_t nanoseconds) noexcept {
  return memory().expire(nanoseconds);
}
EXPORT int tlshub_secret_prepare() noexcept {
  return memory().prepare();
}
EXPORT void tlshub_secret_state(tlshub::SecretMemoryState* state) noexcept {
  *state = memory().state();
}
