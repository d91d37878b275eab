/* SPDX-License-Identifier: Apache-2.0 */
// Memory for secrets, one for the whole process: libtlshub_secrets.so, which every addon is linked to.
//
// It is mapped for this purpose alone, between pages that nobody may touch, and it is
//   - locked (mlock(2)): never written to swap;
//   - left out of core dumps (MADV_DONTDUMP) and of children (MADV_DONTFORK), see madvise(2);
//   - wiped when a piece is given back, at once.
// A library of its own, because addons are loaded apart from each other (RTLD_LOCAL, and RTLD_DEEPBIND for BoringSSL's), each by several
// threads: of a library with one file name there is one in the process, whoever asks. Plain C at the boundary, so that no exception and no
// C++ type has to be the same on both sides. secret.h is what to use.
//
// Any thread may call any of these. A piece belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tlshub {

// Names a piece that was left for somebody else: place and generation, at most 52 bits, so that it passes through JavaScript as a number.
// Never 0, and never the same again.
using SecretHandle = uint64_t;

// Bytes of a piece.
constexpr size_t kSecretBytes = 112;

struct SecretMemoryState {
  uint64_t bytes;        // mapped
  uint64_t lockedBytes;  // of these, locked
  uint32_t pieces;       // in use, those left for somebody included
  uint32_t left;         // left for somebody who has not come yet
  uint64_t expired;      // since the start: that nobody came for
  int lockError;         // errno of the last mlock that failed, 0: none did
};

}  // namespace tlshub

extern "C" {

// A piece of kSecretBytes zeros, aligned to 16 bytes. Null with errno: no memory (ENOMEM), or 65,536 pieces are in use (ENOSPC).
void* tlshub_secret_new() noexcept;

// Wipes it and takes it back.
void tlshub_secret_free(void* piece) noexcept;

// Leaves it for whoever takes it by the handle. `kind`: what it is, for the one who takes it to say the same. `expires`: as
// tlshub_secret_expire() has it.
tlshub::SecretHandle tlshub_secret_leave(void* piece, uint32_t kind, bool expires) noexcept;

// The piece, now the caller's. Null: nothing of this kind was left under this handle, or it has been taken, or it has expired.
void* tlshub_secret_take(tlshub::SecretHandle handle, uint32_t kind) noexcept;

// Wipes what was left and not taken, of any kind. False: there is no such.
bool tlshub_secret_discard(tlshub::SecretHandle handle) noexcept;

// Wipes what was left longer ago than this, if it expires: whoever was to take it is gone. Returns how many.
uint32_t tlshub_secret_expire(uint64_t nanoseconds) noexcept;

// Maps the first pieces, so that what the system has against it is known (lockError). 0, or errno.
int tlshub_secret_prepare() noexcept;

void tlshub_secret_state(tlshub::SecretMemoryState* state) noexcept;
}
