/* SPDX-License-Identifier: Apache-2.0 */
// The producer's side of the byte ring that src/shared/ipc/ring.ts documents; both sides must agree on every word.
//
// One producer, one consumer. Words are int32 in the header: positions count bytes modulo 2^32 and never wrap at the capacity. A record
// is {u32 length, u32 tag, payload} padded to 8 bytes and lies in one piece; a length of 0xFFFFFFFF sends the reader to the start.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tlshub {

class RingProducer {
 public:
  // `memory`: the whole shared buffer. Throws CodedError TLSHUB_RING if it is no ring.
  RingProducer(void* memory, size_t bytes);

  // False: no room, nothing written.
  bool push(uint32_t tag, const void* payload, uint32_t length);
  // Is there room for a record of this payload length, wherever the write position stands?
  bool hasRoom(uint32_t length) const;

 private:
  uint32_t used() const;

  int32_t* words_;
  uint8_t* data_;
  uint32_t capacity_;
};

}  // namespace tlshub
