/* SPDX-License-Identifier: Apache-2.0 */
// Many handshakes at once on one thread, over an epoll set of its own.
//
// Why a set of its own: the event loop's way to watch a descriptor (uv_poll_init) sets O_NONBLOCK, and these descriptors
// share their file flags with the application. So the loop watches the set instead, whose one descriptor is ours. Deadlines
// are a timerfd in the same set. Each socket is armed for one event at a time (EPOLLONESHOT): a registration that outlives
// its descriptor, because the application still has the file open, then fires once at most instead of for ever.
//
// With helpers (helper/helpers.h) no system call on a socket is made here but to wait for it, which takes no lock: any other
// may wait for the program that has the socket.
//
// Not for several threads. Callbacks run inside poll() and close() only, and may call anything but the destructor.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include "../helper/helpers.h"
#include "context.h"
#include "outcome.h"
#include "session.h"

namespace tlshub::handshake {

class Driver {
 public:
  using Done = std::function<void(Outcome&&)>;

  // Throws std::system_error if the kernel gives no epoll set or timer.
  explicit Driver(std::unique_ptr<helper::Helpers> helpers = nullptr);
  ~Driver();  // as abandon()
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Readable when poll() has something to do. -1 after close().
  int pollFd() const { return epollFd_; }

  // Begins a handshake and sends what can be sent at once. `done` is called exactly once, later. The id is never 0.
  // Must not be called after close().
  uint64_t start(std::shared_ptr<const Context> context, Request request, Done done);

  // `done` follows with kCancelled, or with what the peer said before: once it has let go of the socket. If the peer may be through with it
  // already, it has a moment to say so, and `done` may follow with success. False: no such handshake, or it has already ended and `done`
  // is on its way.
  bool cancel(uint64_t id);

  // Does everything that is due, without blocking.
  void poll();

  // Handshakes whose `done` has not been called.
  size_t inFlight() const { return jobs_.size() + ended_.size(); }

  // Cancels all, calling each `done` before it returns, and frees the epoll set.
  void close();
  // Frees everything and calls nobody.
  void abandon();

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    std::unique_ptr<Session> session;
    Done done;
    Clock::time_point deadline;
    bool registered = false;  // in the epoll set
    bool busy = false;        // a helper is at it
    bool cancelled = false;
    bool closing = false;  // cancelled, unless it ends before its deadline
    bool over = false;     // whatever comes of that
  };
  struct Ended {
    Outcome outcome;
    Done done;
  };
  using Jobs = std::unordered_map<uint64_t, Job>;

  void advance(Jobs::iterator at);
  void exchange(Jobs::iterator at);
  void exchanged(uint64_t id, const helper::Answer& answer, const std::string& bytes);
  bool watch(uint64_t id, Job& job, Session::Step step);
  void end(Jobs::iterator at);
  void giveUp(Jobs::iterator at);
  void hasten(Jobs::iterator at);
  void expire();
  void deliver(size_t count);
  void setTimer();
  void closeFds();

  std::unique_ptr<helper::Helpers> helpers_;
  int epollFd_ = -1;
  int timerFd_ = -1;
  uint64_t lastId_ = 0;  // 0 stands for the timer in the epoll set
  Jobs jobs_;
  std::set<std::pair<Clock::time_point, uint64_t>> deadlines_;
  std::deque<Ended> ended_;
  Clock::time_point timerAt_ = Clock::time_point::max();
};

}  // namespace tlshub::handshake
