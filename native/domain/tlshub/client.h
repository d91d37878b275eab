/* SPDX-License-Identifier: Apache-2.0 */
// Many requests to the module at once on one thread.
//
// A reply names no connection, and the module need not repeat nlmsg_seq. So a socket has one request under way at a time, and what comes
// on it is that request's answer; a sequence number that is repeated and wrong is ignored. A request that ends without its answer takes
// its socket with it: the answer that may still come finds nobody. Handshakes, which can take as long as the network does, never hold
// all sockets, so that looking up keys goes on.
//
// The event loop watches one epoll set, as in domain/handshake/driver.h. Not for several threads. Callbacks run inside poll() and close()
// only, and may call anything but the destructor.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "netlink_socket.h"
#include "reply.h"

namespace tlshub::module {

struct Outcome {
  enum class Status { kReply, kTimeout, kCancelled, kFailed };
  Status status = Status::kFailed;
  Reply reply;       // kReply: never a log line
  std::string code;  // kFailed: TLSHUB_MODULE_MISSING, TLSHUB_MODULE_PROTOCOL or TLSHUB_SYS
  std::string reason;
};

struct Statistics {
  uint64_t lost = 0;     // times that the kernel had no room for a reply (ENOBUFS)
  uint64_t foreign = 0;  // messages that were not the peer's
  uint64_t stray = 0;    // replies that answered nothing
  uint64_t opened = 0;   // sockets
};

class Client {
 public:
  using Done = std::function<void(Outcome&&)>;
  using Log = std::function<void(const std::string&)>;

  // `sockets`: how many requests may be under way at once, 2 or more. Throws SysError.
  Client(const Address& address, size_t sockets, Log log);
  ~Client();  // as abandon()
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Readable when poll() has something to do. -1 after close().
  int pollFd() const { return epoll_.get(); }

  // `done` is called exactly once, later. The id is never 0. Must not be called after close().
  uint64_t start(const RequestBody& request, std::chrono::milliseconds timeout, Done done);
  void cancel(uint64_t id);
  void poll();

  // Requests whose `done` has not been called.
  size_t inFlight() const { return jobs_.size() + ended_.size(); }
  const Statistics& statistics() const { return statistics_; }

  // Cancels all, calling each `done` before it returns, and closes the sockets.
  void close();
  // Closes everything and calls nobody.
  void abandon();

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    RequestMessage message;
    Done done;
    Clock::time_point deadline;
    std::optional<size_t> lane;
    int sends = 0;                              // that the kernel took
    std::chrono::milliseconds pause{0};         // before the next attempt
    std::optional<Clock::time_point> resendAt;  // the peer's queue was full
  };
  struct Lane {
    std::unique_ptr<NetlinkSocket> socket;
    uint64_t job = 0;
  };
  using Jobs = std::unordered_map<uint64_t, Job>;

  static bool isHandshake(const Job& job);
  void enqueue(uint64_t id, const Job& job);
  void assign();
  bool assignNext(std::deque<uint64_t>& queue, size_t lane);
  void send(uint64_t id, Job& job);
  void read(size_t lane);
  void message(size_t lane, const NetlinkSocket::Buffer& buffer, size_t size);
  void again(size_t lane);
  void failLane(size_t lane, std::string code, std::string reason);
  void closeLane(size_t lane);
  void end(uint64_t id, Outcome&& outcome);
  void expire();
  void deliver(size_t count);
  void setTimer();

  Address address_;
  Log log_;
  Fd epoll_, timer_;
  std::vector<Lane> lanes_;
  size_t handshakeLanes_;  // at most so many have a handshake under way
  size_t handshakes_ = 0;
  uint64_t lastId_ = 0;
  uint32_t lastSequence_ = 0;
  Jobs jobs_;
  std::deque<uint64_t> lookups_, starts_;  // waiting for a socket
  std::set<std::pair<Clock::time_point, uint64_t>> deadlines_, resends_;
  struct Ended {
    Outcome outcome;
    Done done;
  };
  std::deque<Ended> ended_;
  Clock::time_point timerAt_ = Clock::time_point::max();
  Statistics statistics_;
};

}  // namespace tlshub::module
