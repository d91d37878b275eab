/* SPDX-License-Identifier: Apache-2.0 */
// All channels of an agent under one set of credentials, on one thread: those that it opens, and those that come in at its listener.
//
// An epoll set of its own, which the thread's event loop watches (as handshake/driver.h); deadlines are a timerfd in it. All sockets are the
// agent's own. What happens is told to the owner, who decides: which epochs there are, and for how long, is not known here.
//
// Nobody waits: a listener takes so many connections at a time, each with a deadline from the moment that it came; one of a source that has as
// many as it may (half_open.h) is dropped at once. If there are no descriptors or no memory for another one, the listener rests for a moment.
//
// Not for several threads. Callbacks run inside poll() only, and may call anything but the destructor.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../fd.h"
#include "half_open.h"
#include "session.h"
#include "tcp.h"

namespace tlshub::channel {

// What the owner hears of a session. `id` is never 0, and never another session's, whatever driver it is of.
struct News {
  enum What {
    kProposed,     // somebody has opened one: accept() or reject()
    kOpen,         // both have the epoch; `secret` is the owner's
    kNumberTaken,  // the peer has seen `number` before
    kClosing,      // the peer ends the epoch, and says why; kEnded follows
    kEnded,        // the last that is heard of it; `code` is "" if that was in order
  } what = kEnded;
  uint64_t id = 0;
  Side side = Side::kOpener;
  // As far as they are known: with kEnded perhaps not at all.
  uint32_t epoch = 0;
  std::string opener, listener, cipher, group;
  Secret<EpochSecret> secret = {};
  uint16_t number = 0;
  Close why = Close::kOver;
  std::string code = {}, reason = {};
};

struct DriverTimes {
  std::chrono::milliseconds connecting{5000};  // until the other end's kernel has answered
  std::chrono::milliseconds rest{1000};        // of a listener that there is no descriptor for
  Times session = {};
};

class Driver {
 public:
  using OnNews = std::function<void(News&&)>;
  struct Target {
    Address address;
    std::string node;  // whose certificate it must have
    uint32_t epoch = 0;
  };
  struct Stats {
    size_t sessions;       // all there are, on their way and half-open included
    size_t untold;         // news that the owner has not heard yet
    size_t halfOpen;       // places taken, see half_open.h
    uint64_t turnedAway;   // connections that were dropped, since the start
    uint64_t rests;        // of the listener, since the start
    uint64_t connections;  // that the listener has taken in, since the start
  };

  // Throws SysError if the kernel gives no epoll set or timer.
  Driver(std::shared_ptr<const handshake::Context> context, std::string ownName, OnNews onNews,
         const DriverTimes& times = {}, const HalfOpenLimits& limits = {});
  ~Driver();  // as close()
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Readable when poll() has something to do. -1 after close().
  int pollFd() const { return epoll_.get(); }

  // From now on. Throws SysError. Returns the port.
  uint16_t listen(const Address& address);
  // That of another one, with all that has come to it and that nobody has looked at yet. Returns the port, 0 if that has none.
  uint16_t takeListener(Driver& from);
  void stopListening();
  // Who may open: all names of nodes, and from where they are expected. Counts for what comes from now on.
  void setNodes(const std::vector<std::string>& names, const std::vector<Source>& addresses);

  // Never fails: kEnded says what was wrong.
  uint64_t open(const Target& target);
  // No matter if there is no such session (any more), or nothing was proposed.
  void accept(uint64_t id);
  void reject(uint64_t id, Refusal why, const std::string& text);
  void numberTaken(uint64_t id, uint16_t number);
  void close(uint64_t id, Close why);
  // All of them, and the listener. kEnded follows for each.
  void closeAll(Close why);

  // Does everything that is due, without blocking.
  void poll();

  // The owner may still hear something.
  size_t inFlight() const { return jobs_.size() + news_.size() + (listener_ ? 1 : 0); }
  Stats stats();

  // Wipes all, calls nobody, says nothing to any peer, and lets go of credentials, callback and epoll set. All calls but the destructor's do nothing behind it.
  void close();
  void abandon() { close(); }

 private:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  struct Job {
    Fd fd;                                       // before the session, which borrows it
    std::unique_ptr<Session> session = nullptr;  // null while it connects
    Side side = Side::kOpener;
    Target target = {};  // of an opener
    Time deadline = {};
    bool registered = false;  // in the epoll set
    bool undecided = false;   // proposed: nothing is read until it is decided on
    uint64_t place = 0;       // in half_
  };
  using Jobs = std::unordered_map<uint64_t, Job>;

  void acceptAll(Time now);
  void watchListener();
  void rest(Time now);
  void connected(Jobs::iterator at, Time now);
  void advance(Jobs::iterator at, Time now);
  void hear(Jobs::iterator at, const Session::Event& event, Time now);
  void givePlace(Job& job, bool good, Time now);
  void watch(Jobs::iterator at, uint32_t events);
  void setDeadline(Jobs::iterator at, Time deadline);
  void end(Jobs::iterator at, std::string code, std::string reason);
  void unreachable(Jobs::iterator at, const std::string& what);
  void expire(Time now);
  void deliver(size_t count);
  void settle();
  void setTimer();
  News newsOf(uint64_t id, const Job& job, News::What what) const;
  Jobs::iterator find(uint64_t id) { return jobs_.find(id); }

  std::shared_ptr<const handshake::Context> context_;
  const std::string ownName_;
  OnNews onNews_;
  const DriverTimes times_;
  HalfOpen half_;
  Fd epoll_, timer_, listener_;
  std::shared_ptr<const handshake::NodeSet> nodes_;
  std::set<Source> nodeAddresses_;
  Jobs jobs_;
  std::set<std::pair<Time, uint64_t>> deadlines_;
  std::deque<News> news_;
  Time timerAt_ = Time::max();
  Time restsUntil_ = Time::max();
  uint64_t rests_ = 0, connections_ = 0;
};

}  // namespace tlshub::channel
