/* SPDX-License-Identifier: Apache-2.0 */
// One epoll loop on a thread of its own, for either side of a load test.
//
// Why native: under emulation, and in one process on one core, a thread of JavaScript makes a tenth of the connections. Why edge-triggered:
// a connection that is held reports that it can be written to and answers EAGAIN; level-triggered, that is a busy loop.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "../error.h"
#include "../fd.h"
#include "record.h"

namespace tlshub::load {

using Nanoseconds = int64_t;

struct Address {
  sockaddr_storage storage = {};
  socklen_t length = 0;

  // Numeric, IPv4 or IPv6. Throws CodedError TLSHUB_ADDRESS.
  static Address from(const std::string& ip, uint16_t port);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  // Whether it is of 127.0.0.0/8.
  bool isLoopback4() const;
};

class Engine {
 public:
  Engine();
  virtual ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Begins. Throws nothing: what can fail is done by the constructors.
  void start();
  // No new connections; those under way have so long to end. May be called again with less. From any thread.
  void stop(Nanoseconds grace);
  // Ends at once and waits for the thread.
  void join();

  Outbox& outbox() { return outbox_; }
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  uint64_t begun() const { return begun_.load(std::memory_order_relaxed); }
  uint32_t open() const { return open_.load(std::memory_order_relaxed); }
  uint64_t waits() const { return waits_.load(std::memory_order_relaxed); }
  // ns from start() to now, or to the end.
  Nanoseconds elapsed() const;
  // The first unexpected failure of the engine itself; empty: none. Valid once finished.
  const std::string& error() const { return error_; }

 protected:
  // Of the loop's thread.
  static Nanoseconds now();
  // One round's work on what epoll said about the connection `tag`.
  virtual void event(uint64_t tag, uint32_t events) = 0;
  // After each round. Returns when it wants to be called again at the latest, in now()'s terms.
  virtual Nanoseconds turn(Nanoseconds now) = 0;
  virtual bool done() const = 0;
  // Gives up what is still open.
  virtual void interrupt() = 0;

  bool stopping() const { return stopAt_.load(std::memory_order_relaxed) != kNever; }
  Nanoseconds startedAt() const { return startedAt_; }
  void watch(int fd, uint64_t tag, uint32_t events);

  static constexpr Nanoseconds kNever = INT64_MAX;
  static constexpr uint32_t kConnectionEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

  Outbox outbox_;
  std::atomic<uint64_t> begun_{0}, waits_{0};
  std::atomic<uint32_t> open_{0};
  Fd epoll_;

 private:
  static constexpr uint64_t kWakeTag = UINT64_MAX, kTimerTag = UINT64_MAX - 1;

  void run();
  void loop();

  Fd wake_, timer_;
  std::thread thread_;
  Nanoseconds startedAt_ = 0;
  std::atomic<Nanoseconds> endedAt_{0}, stopAt_{kNever};
  std::atomic<bool> finished_{false};
  std::string error_;
};

}  // namespace tlshub::load
