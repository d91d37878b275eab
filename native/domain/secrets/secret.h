/* SPDX-License-Identifier: Apache-2.0 */
// A secret, in memory that is locked, not dumped, and wiped when it goes (memory.h).
#pragma once

#include <cerrno>
#include <type_traits>
#include <utility>

#include "memory.h"

namespace tlshub {

// Whether it is wiped when nobody has come for it in time. Of one that is not, whoever has the handle sees to it.
enum class Left { kForSoon, kForGood };

// One T in a piece of that memory; T is plain data and says what it is by T::kKind, a number of its own. Empty when default-made or moved
// from.
template <typename T>
class Secret {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kSecretBytes && alignof(T) <= 16);

 public:
  Secret() = default;
  Secret(Secret&& other) noexcept : piece_(std::exchange(other.piece_, nullptr)) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      reset();
      piece_ = std::exchange(other.piece_, nullptr);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { reset(); }

  explicit operator bool() const { return piece_ != nullptr; }
  T* operator->() const { return static_cast<T*>(piece_); }
  T& operator*() const { return *static_cast<T*>(piece_); }

  // Wipes it.
  void reset() {
    if (piece_) tlshub_secret_free(std::exchange(piece_, nullptr));
  }

  // Leaves it for whoever takes it by the handle; empty then. Not of an empty one.
  SecretHandle leave(Left left = Left::kForSoon) {
    return tlshub_secret_leave(std::exchange(piece_, nullptr), T::kKind, left == Left::kForSoon);
  }

 private:
  friend class SecretStore;
  explicit Secret(void* piece) : piece_(piece) {}
  void* piece_ = nullptr;
};

// Throw CodedError TLSHUB_SECRETS with what to do about it: no memory, nothing under the handle.
[[noreturn]] void throwNoSecretMemory(int error);
[[noreturn]] void throwNoSecret();

// Where secrets are made, and taken by who was given a handle. Any thread, any addon of the process.
class SecretStore {
 public:
  // All zeros. Throws CodedError TLSHUB_SECRETS.
  template <typename T>
  static Secret<T> make() {
    Secret<T> made = tryMake<T>();
    if (!made) throwNoSecretMemory(errno);
    return made;
  }

  // The same where nothing may be thrown: empty if there is no memory.
  template <typename T>
  static Secret<T> tryMake() noexcept {
    return Secret<T>(tlshub_secret_new());
  }

  // Once for each handle. Throws CodedError TLSHUB_SECRETS: nothing of this kind was left under it, or it has been taken or has expired.
  template <typename T>
  static Secret<T> take(SecretHandle handle) {
    Secret<T> taken = tryTake<T>(handle);
    if (!taken) throwNoSecret();
    return taken;
  }

  // The same without an error: empty then.
  template <typename T>
  static Secret<T> tryTake(SecretHandle handle) noexcept {
    return Secret<T>(tlshub_secret_take(handle, T::kKind));
  }

  // Wipes what nobody will take. No error if it is gone.
  static void discard(SecretHandle handle) noexcept { tlshub_secret_discard(handle); }
};

}  // namespace tlshub
