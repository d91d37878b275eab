// SPDX-License-Identifier: Apache-2.0
// Records as they come from the kernel: the walk through a list of them, and a sample of the perf buffer at the address it has there.
#include "../../bpf/records.h"

#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../../bpf/abi.generated.h"
#include "../domain/perf_sample.h"
#include "../domain/ring.h"

namespace {

int problems = 0;

void expect(bool good, const std::string& what) {
  if (good) return;
  problems++;
  std::printf("    %s\n", what.c_str());
}

using Bytes = std::vector<char>;

// A record of this type with a number in the last of its bytes.
Bytes record(uint16_t type, size_t bytes, char mark = 0) {
  Bytes out(bytes);
  tlshub_head head = {type, static_cast<uint16_t>(bytes), 0};
  std::memcpy(out.data(), &head, std::min(bytes, sizeof(head)));
  if (bytes > sizeof(head)) out.back() = mark;
  return out;
}

Bytes socket(char mark) {
  return record(RECORD_SOCKET, sizeof(tlshub_sweep), mark);
}

Bytes securedSocket(char mark) {
  return record(RECORD_SECURED_SOCKET, sizeof(tlshub_secured_sweep), mark);
}

struct Walked {
  std::string marks;
  size_t left;
};

// In memory that ends where the records do, so that a read beyond it is seen, and that begins `shift` bytes off any alignment.
Walked walk(const std::vector<Bytes>& records, size_t cut = 0, size_t shift = 0) {
  Bytes all;
  for (const Bytes& each : records) all.insert(all.end(), each.begin(), each.end());
  const size_t length = all.size() - cut;
  const auto exact = std::make_unique<char[]>(shift + length);
  if (length) std::memcpy(exact.get() + shift, all.data(), length);
  tlshub_walk walk = {exact.get() + shift, length};
  tlshub_head head;
  Walked walked = {};
  while (const void* at = tlshub_next_record(&walk, &head))
    walked.marks += static_cast<const char*>(at)[head.bytes - 1];
  walked.left = walk.left;
  return walked;
}

void expectWalk(const Walked& walked, const std::string& marks, size_t left, const std::string& what) {
  expect(walked.marks == marks, what + ": found " + walked.marks + ", not " + marks);
  expect(walked.left == left,
         what + ": " + std::to_string(walked.left) + " bytes left, not " + std::to_string(left));
}

void mixed() {
  expectWalk(walk({}), "", 0, "nothing");
  // As the guardian has them: secured ones in between, of another length.
  const std::vector<Bytes> list = {securedSocket('a'), socket('b'), socket('c'), securedSocket('d'),
                                   socket('e')};
  expectWalk(walk(list), "abcde", 0, "mixed");
  for (size_t shift = 1; shift < 8; shift++) expectWalk(walk(list, 0, shift), "abcde", 0, "not aligned");
  expectWalk(walk({record(RECORD_EVENT, sizeof(tlshub_event), 'x'),
                   record(RECORD_LAST_EVENT, sizeof(tlshub_secured), 'y'), socket('z')}),
             "xyz", 0, "every type");
}

void truncated() {
  const std::vector<Bytes> list = {socket('a'), securedSocket('b')};
  for (size_t cut = 1; cut < sizeof(tlshub_secured_sweep); cut++)
    expectWalk(walk(list, cut), "a", sizeof(tlshub_secured_sweep) - cut, "cut by " + std::to_string(cut));
  expectWalk(walk(list, sizeof(tlshub_secured_sweep)), "a", 0, "cut at a border");
}

void unknown() {
  expectWalk(walk({socket('a'), record(99, 16, 'x'), record(0, 4000, 'x'), socket('b')}), "ab", 0,
             "unknown types");
  expectWalk(walk({record(99, sizeof(tlshub_head)), socket('b')}), "b", 0, "a head alone");
  expectWalk(walk({record(99, 13, 'x'), socket('b')}), "b", 0, "an odd length");
  // Of a known type, but not what this build knows by it.
  expectWalk(walk({record(RECORD_SOCKET, sizeof(tlshub_sweep) - 8, 'x'),
                   record(RECORD_SOCKET, sizeof(tlshub_sweep) + 8, 'x'), socket('b')}),
             "b", 0, "another length");
  expectWalk(walk({record(99, 65535, 'x'), socket('b')}), "b", 0, "the longest");
}

void hostile() {
  // Lengths that lead nowhere: the walk ends, and says what it has not walked.
  for (uint16_t bytes = 0; bytes < sizeof(tlshub_head); bytes++) {
    Bytes bad = socket('x');
    std::memcpy(&bad[offsetof(tlshub_head, bytes)], &bytes, sizeof(bytes));
    expectWalk(walk({socket('a'), bad, socket('b')}), "a", 2 * sizeof(tlshub_sweep),
               "a length of " + std::to_string(bytes));
  }
  Bytes bad = socket('x');
  const uint16_t most = 65535;
  std::memcpy(&bad[offsetof(tlshub_head, bytes)], &most, sizeof(most));
  expectWalk(walk({bad, socket('b')}), "", 2 * sizeof(tlshub_sweep), "longer than what is there");
  expectWalk(walk({Bytes(4096, '\0')}), "", 4096, "zeros");
  expectWalk(walk({Bytes(4096, '\xff')}), "", 4096, "ones");
}

// perf puts a sample behind its own 8 bytes of header and 4 of size, so that the record lies 4 bytes off its alignment.
class Sample {
 public:
  Sample(const Bytes& record, size_t padding)
      : memory_(new uint64_t[record.size() / 8 + 8]), size_(record.size() + padding) {
    std::memset(data(), 0x5a, size_);
    std::memcpy(data(), record.data(), record.size());
  }
  char* data() const { return reinterpret_cast<char*>(memory_.get()) + 12; }
  size_t size() const { return size_; }

 private:
  std::unique_ptr<uint64_t[]> memory_;
  size_t size_;
};

void samples() {
  for (uint16_t type : {RECORD_EVENT, RECORD_LAST_EVENT}) {
    Bytes bytes = record(type, tlshub_record_bytes(type), 'x');
    const uint64_t made = 0x0123456789abcdef;
    std::memcpy(&bytes[offsetof(tlshub_event, time_ns)], &made, sizeof(made));
    for (size_t padding = 0; padding < 8; padding++) {
      const Sample sample(bytes, padding);
      const tlshub::SampledEvent event = tlshub::readSample(sample.data(), sample.size());
      expect(event.record == sample.data() && event.type == type && event.bytes == bytes.size(), "a sample");
      expect(event.timeNs == made, "the time of a sample");
    }
    const Sample cut(Bytes(bytes.begin(), bytes.end() - 1), 0);
    expect(!tlshub::readSample(cut.data(), cut.size()).record, "a sample that is too short");
  }
  const Sample socket(::socket('x'), 0);
  expect(!tlshub::readSample(socket.data(), socket.size()).record, "a record that is no event");
  expect(!tlshub::readSample(nullptr, 0).record, "no sample");
}

// What the reader does with one: the ring has the same bytes, and always room for the longest.
void intoTheRing() {
  std::vector<int32_t> memory(64 + 4096 / 4);
  memory[0] = 0x544c5352;
  memory[1] = 4096;
  tlshub::RingProducer ring(memory.data(), memory.size() * 4);
  Bytes bytes = record(RECORD_LAST_EVENT, sizeof(tlshub_secured), 'x');
  const Sample sample(bytes, 4);
  const tlshub::SampledEvent event = tlshub::readSample(sample.data(), sample.size());
  expect(tlshub::mostSampleBytes() >= event.bytes, "the longest sample is longer than is said");
  expect(ring.hasRoom(tlshub::mostSampleBytes()) && ring.push(event.type, event.record, event.bytes), "room");
  const char* written = reinterpret_cast<char*>(memory.data()) + 256;
  uint32_t length, tag;
  std::memcpy(&length, written, 4);
  std::memcpy(&tag, written + 4, 4);
  expect(length == bytes.size() && tag == RECORD_LAST_EVENT, "length and tag");
  expect(!std::memcmp(written + 8, bytes.data(), bytes.size()), "the bytes");
}

}  // namespace

int main() {
  const std::pair<const char*, std::function<void()>> tests[] = {
      {"walks records of every kind, at any address", mixed},
      {"says how much of a list is no whole record", truncated},
      {"skips what it does not know by its length", unknown},
      {"ends where a length leads nowhere", hostile},
      {"reads samples where perf puts them", samples},
      {"puts them into the ring as they are", intoTheRing},
  };
  int passed = 0, failed = 0;
  for (const auto& [name, test] : tests) {
    problems = 0;
    test();
    std::printf("%s %s\n", problems ? "FAILED" : "ok", name);
    (problems ? failed : passed)++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}
