/* SPDX-License-Identifier: Apache-2.0 */
// What the load engines tell about each connection, and how it gets to the thread that counts.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

namespace tlshub::load {

// Why a connection failed: 0 it did not, above 0 an errno, below 0 one of these.
enum Failure : int32_t {
  kNone = 0,
  kContentDiffers = -1,   // what came back is not what was sent
  kEndedEarly = -2,       // the peer's FIN came before all of the echo
  kTimedOut = -3,         // nothing moved for the length of the timeout
  kInterrupted = -4,      // the run was ended before the connection was; no failure of the connection
  kMoreThanExpected = -5  // more came back than was sent
};

// Read by src/load/connection.ts at these offsets. Times in ns; -1: did not happen.
struct ConnectionRecord {
  uint64_t id;        // from 1, in the order of begin
  int64_t begun;      // since the begin of the run
  int64_t late;       // how long after its place in the schedule (--rate) it began; 0 without a schedule
  int64_t connected;  // from begun to the TCP connection; 0 on the server's side
  int64_t firstByte;  // from begun to the first byte received
  int64_t lastByte;   // from begun to the last byte of payload, in either direction
  uint64_t sent;      // bytes of payload
  uint64_t received;
  uint32_t requests;  // completed
  int32_t failure;
  uint16_t localPort;
  uint16_t peerPort;
  uint32_t padding;
};
static_assert(sizeof(ConnectionRecord) == 80, "src/load/connection.ts decodes this layout");

// From an engine's thread to the one that counts; of fixed size. When it is full, the engine waits: nothing is lost, and nothing grows.
class Outbox {
 public:
  static constexpr size_t kRecords = 1 << 16, kRequests = 1 << 18;

  void connection(const ConnectionRecord& record) {
    std::unique_lock<std::mutex> lock(mutex_);
    room_.wait(lock, [this] { return connections_.size() < kRecords || abandoned_; });
    if (!abandoned_) connections_.push_back(record);
  }

  // ns from a request's first byte (or its place in the schedule) to the last byte of its echo.
  void request(int64_t latency) {
    std::unique_lock<std::mutex> lock(mutex_);
    room_.wait(lock, [this] { return requests_.size() < kRequests || abandoned_; });
    if (!abandoned_) requests_.push_back(latency);
  }

  void take(std::vector<ConnectionRecord>& connections, std::vector<int64_t>& requests) {
    connections.clear();
    requests.clear();
    const std::lock_guard<std::mutex> lock(mutex_);
    connections.swap(connections_);
    requests.swap(requests_);
    room_.notify_all();
  }

  // Nobody will take any more: the engine must be able to end.
  void abandon() {
    const std::lock_guard<std::mutex> lock(mutex_);
    abandoned_ = true;
    room_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable room_;
  std::vector<ConnectionRecord> connections_;
  std::vector<int64_t> requests_;
  bool abandoned_ = false;
};

}  // namespace tlshub::load
