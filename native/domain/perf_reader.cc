// SPDX-License-Identifier: Apache-2.0
#include "perf_reader.h"

#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "clock.h"
#include "error.h"
#include "perf_sample.h"

namespace tlshub {
namespace {

constexpr uint64_t kWake = ~0ull;

}  // namespace

struct PerfReader::Batch {
  RingProducer* ring;
  uint32_t* delays;
  uint32_t records = 0;
  bool full = false;
};

PerfReader::PerfReader(int eventsFd, unsigned pagesPerCpu, std::vector<uint64_t> delayBounds)
    : delayBounds_(std::move(delayBounds)) {
  perf_event_attr attr = {};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_BPF_OUTPUT;
  attr.sample_type = PERF_SAMPLE_RAW;
  attr.sample_period = 1;
  attr.wakeup_events = 1;
  // The raw interface, since its callback can say "stop here": an event that the ring has no room for stays where it is.
  auto onEvent = [](void* self, int, perf_event_header* header) -> bpf_perf_event_ret {
    auto* reader = static_cast<PerfReader*>(self);
    Batch& batch = *reader->batch_;
    if (header->type == PERF_RECORD_LOST) {
      struct Lost {
        perf_event_header header;
        uint64_t id, lost;
      };
      reader->lost_ += reinterpret_cast<Lost*>(header)->lost;
    } else if (header->type == PERF_RECORD_SAMPLE) {
      struct Sample {
        perf_event_header header;
        uint32_t size;
        char data[];
      };
      auto* sample = reinterpret_cast<Sample*>(header);
      SampledEvent event = readSample(sample->data, sample->size);
      if (event.record) {
        batch.ring->push(event.type, event.record, event.bytes);
        batch.records++;
        reader->countDelay(event.timeNs);
      }
    }
    // Room for one more is made sure of before each event, so the push above cannot fail.
    batch.full = !batch.ring->hasRoom(mostSampleBytes());
    return batch.full ? LIBBPF_PERF_EVENT_DONE : LIBBPF_PERF_EVENT_CONT;
  };
  buffer_.reset(perf_buffer__new_raw(eventsFd, pagesPerCpu, &attr, onEvent, this, nullptr));
  if (!buffer_) throw SysError("perf_event_open", "cannot open the perf buffer");
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!wake_ || !epoll_) throw SysError("epoll_create1", "cannot wait for the perf buffer");
  // The buffers themselves, not libbpf's epoll set: perf_poll() reports a wake-up once, and a set inside a set would ask twice.
  watch(wake_.get(), kWake);
  for (size_t i = 0; i < perf_buffer__buffer_cnt(buffer_.get()); i++)
    watch(perf_buffer__buffer_fd(buffer_.get(), i), i);
}

void PerfReader::watch(int fd, uint64_t tag) {
  epoll_event interest = {};
  interest.events = EPOLLIN;
  interest.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest))
    throw SysError("epoll_ctl", "cannot wait for the perf buffer");
}

void PerfReader::countDelay(uint64_t madeNs) {
  const uint64_t now = monotonicNs(), delay = now > madeNs ? now - madeNs : 0;
  const auto bound = std::lower_bound(delayBounds_.begin(), delayBounds_.end(), delay);
  __atomic_fetch_add(&batch_->delays[bound - delayBounds_.begin()], 1, __ATOMIC_RELAXED);
}

void PerfReader::consume(size_t cpu) {
  int err = perf_buffer__consume_buffer(buffer_.get(), cpu);
  if (err < 0 && err != -EINTR)
    throw SysError("perf_buffer__consume_buffer", "cannot read the perf buffer", -err);
  unfinished_ = unfinished_ || batch_->full;
}

PerfReader::~PerfReader() = default;

void PerfReader::FreeBuffer::operator()(perf_buffer* buffer) const {
  perf_buffer__free(buffer);
}

PerfReader::Result PerfReader::poll(RingProducer& ring, uint32_t* delays, int timeoutMs) {
  Batch batch{&ring, delays};
  batch_ = &batch;
  batch.full = !ring.hasRoom(mostSampleBytes());
  if (!batch.full && std::exchange(unfinished_, false)) {
    // The ring was full the last time, and what was left then is announced no second time.
    for (size_t i = 0; i < perf_buffer__buffer_cnt(buffer_.get()) && !batch.full; i++) consume(i);
    unfinished_ = batch.full;
  } else if (!batch.full) {
    epoll_event ready[64];
    int n = epoll_wait(epoll_.get(), ready, 64, timeoutMs);
    if (n < 0 && errno != EINTR) throw SysError("epoll_wait", "cannot wait for the perf buffer");
    for (int i = 0; i < n; i++) {
      if (ready[i].data.u64 == kWake) {
        uint64_t drained;
        (void)!read(wake_.get(), &drained, sizeof(drained));
      } else if (batch.full) {
        unfinished_ = true;
      } else {
        consume(ready[i].data.u64);
      }
    }
  }
  batch_ = nullptr;
  return {batch.records, lost_, batch.full};
}

}  // namespace tlshub
