/* SPDX-License-Identifier: Apache-2.0 */
// Reads events from the perf buffer into a ring, blocking. A record's tag in the ring is its type (tlshub_record_type).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fd.h"
#include "ring.h"

struct perf_buffer;

namespace tlshub {

class PerfReader {
 public:
  // `eventsFd`: the perf event array; `pagesPerCpu`: a power of two; `delayBounds`: nanoseconds, ascending, see poll().
  PerfReader(int eventsFd, unsigned pagesPerCpu, std::vector<uint64_t> delayBounds);
  ~PerfReader();

  struct Result {
    uint32_t records;  // written to the ring by this call
    uint64_t lost;     // samples the kernel had no room for, since the start
    bool full;         // stopped because the ring has no room: what is left stays in the perf buffer
  };
  size_t delayBuckets() const { return delayBounds_.size() + 1; }

  // Waits up to `timeoutMs` for events or wake(). Counts in `delays` (delayBuckets() words) how long each event took from the kernel into
  // the ring: bucket i is for those of at most delayBounds[i], the last one for longer ones. Throws SysError.
  Result poll(RingProducer& ring, uint32_t* delays, int timeoutMs);

  // Makes poll() return, from any thread: write 8 bytes to it.
  int wakeFd() const { return wake_.get(); }

 private:
  struct Batch;
  void watch(int fd, uint64_t tag);
  void consume(size_t cpu);
  void countDelay(uint64_t madeNs);

  struct FreeBuffer {
    void operator()(perf_buffer* buffer) const;
  };
  std::unique_ptr<perf_buffer, FreeBuffer> buffer_;
  Fd wake_;
  Fd epoll_;
  std::vector<uint64_t> delayBounds_;
  Batch* batch_ = nullptr;  // during poll() only
  uint64_t lost_ = 0;
  bool unfinished_ = false;  // the ring filled up before the perf buffers were empty
};

}  // namespace tlshub
