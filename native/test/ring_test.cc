// SPDX-License-Identifier: Apache-2.0
// The byte ring between two threads, as the event reader and the dispatcher have it. The consumer here does what src/shared/ipc/ring.ts does.
#include "../domain/ring.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "../domain/error.h"
#include "check.h"

using namespace tlshub;

namespace {

constexpr size_t kHeader = 256;
constexpr size_t kMagicWord = 0, kCapacityWord = 1, kWriteWord = 16, kReadWord = 32;
constexpr int32_t kMagic = 0x544c5352;
constexpr uint32_t kSkip = 0xffffffff;

class Ring {
 public:
  explicit Ring(uint32_t capacity) : memory_((kHeader + capacity) / sizeof(int64_t)), capacity_(capacity) {
    words()[kMagicWord] = kMagic;
    words()[kCapacityWord] = static_cast<int32_t>(capacity);
  }
  void* memory() { return memory_.data(); }
  size_t bytes() const { return kHeader + capacity_; }
  int32_t* words() { return reinterpret_cast<int32_t*>(memory_.data()); }

  // Calls `take` with each record that is there; returns how many.
  template <typename Take>
  int drain(Take take) {
    const auto write = static_cast<uint32_t>(__atomic_load_n(&words()[kWriteWord], __ATOMIC_SEQ_CST));
    auto read = static_cast<uint32_t>(words()[kReadWord]);
    const auto* const data = reinterpret_cast<const uint8_t*>(memory_.data()) + kHeader;
    int count = 0;
    while (read != write) {
      const uint32_t at = read & (capacity_ - 1);
      uint32_t head[2];
      std::memcpy(head, data + at, sizeof(head[0]));
      if (head[0] == kSkip) {
        read += capacity_ - at;
        continue;
      }
      std::memcpy(head, data + at, sizeof(head));
      take(head[1], data + at + sizeof(head), head[0]);
      read += (static_cast<uint32_t>(sizeof(head)) + head[0] + 7) & ~7u;
      count++;
    }
    __atomic_store_n(&words()[kReadWord], static_cast<int32_t>(read), __ATOMIC_SEQ_CST);
    return count;
  }

 private:
  std::vector<int64_t> memory_;
  uint32_t capacity_;
};

// Records of all lengths, in order and whole, through a ring that is full most of the time.
void twoThreads() {
  constexpr uint32_t kRecords = 200000;
  Ring ring(4096);
  std::thread producer([&] {
    RingProducer out(ring.memory(), ring.bytes());
    std::vector<uint8_t> payload(600);
    for (uint32_t i = 0; i < kRecords; i++) {
      const uint32_t length = i * 7 % 590;
      std::memset(payload.data(), static_cast<uint8_t>(i), length);
      while (!out.push(i, payload.data(), length)) std::this_thread::yield();
    }
  });
  uint32_t next = 0, wrong = 0;
  while (next < kRecords) {
    const int got = ring.drain([&](uint32_t tag, const uint8_t* bytes, uint32_t length) {
      wrong += tag != next || length != next * 7 % 590;
      for (uint32_t i = 0; i < length; i++) wrong += bytes[i] != static_cast<uint8_t>(next);
      next++;
    });
    if (got == 0) std::this_thread::yield();
  }
  producer.join();
  check(wrong == 0, std::to_string(wrong) + " records or bytes are wrong");
}

void noRing() {
  std::vector<int64_t> memory(64);
  int refused = 0;
  for (const int32_t capacity : {0, 100, 1 << 20}) {
    auto* const words = reinterpret_cast<int32_t*>(memory.data());
    words[kMagicWord] = kMagic;
    words[kCapacityWord] = capacity;
    try {
      RingProducer out(memory.data(), memory.size() * sizeof(int64_t));
    } catch (const CodedError& error) {
      refused += error.code() == "TLSHUB_RING";
    }
  }
  check(refused == 3, "what is no ring was taken for one");
}

}  // namespace

int main() {
  const std::pair<const char*, void (*)()> cases[] = {
      {"a producer and a consumer in two threads", twoThreads},
      {"a buffer that is no ring is refused", noRing},
  };
  int passed = 0, failed = 0;
  for (const auto& [name, run] : cases) {
    problems = 0;
    run();
    std::printf("%s %s\n", problems == 0 ? "ok  " : "FAIL", name);
    (problems == 0 ? passed : failed)++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
