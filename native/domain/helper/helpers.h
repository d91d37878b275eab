/* SPDX-License-Identifier: Apache-2.0 */
// One thread's helpers: a pool of processes that make its system calls on programs' sockets (wire.h says why).
//
// Each helper has one task at a time. One that is at its task for longer than `slowMs` does not count any more when the pool looks whether
// it has enough, so others do not wait for it; after `lostMs` it is given up: its task has failed, it is killed, and its owner is charged
// until it has really ended, which a task in the kernel may put off for ever. A process has only so many helpers at once, those that are
// lost included, and so has its cgroup: what more it asks for waits, or fails at once when all of them are lost.
//
// Not for several threads. Callbacks run inside poll() and close() only, and may call anything but the destructor.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../fd.h"
#include "../secrets/traffic.h"
#include "wire.h"

namespace tlshub::helper {

struct Limits {
  uint32_t ready = 4;   // helpers that are not slow
  uint32_t most = 256;  // those that are lost included
  // At once, those that are lost included.
  uint32_t perProcess = 2;
  uint32_t perGroup = 8;
  uint32_t slowMs = 50;
  uint32_t lostMs = 5000;
};

// Codes of answers that no helper gave.
constexpr char kLostCode[] = "TLSHUB_HELPER_LOST";
constexpr char kStuckCode[] = "TLSHUB_OWNER_STUCK";

struct Job {
  Request request = {};
  std::string bytes = {};
  // Its number stays ours: the socket is moved to the helper and back, and an eventfd stands in its place meanwhile, and for good if the
  // helper is lost. A last task closes it, whatever becomes of it. -1: none.
  int fd = -1;
  Secret<TrafficKeys> keys = {};  // of a task with keys; gone when they are sent
  uint64_t charge = 0;            // whom it is charged to, 0: nobody; see groupOf()
};

// The descriptor of a job that is to be closed with it. Empty: there is none.
Fd lastOf(Job& job);

// A charge names a process and, in front of its kChargeBits bits, its cgroup.
constexpr unsigned kChargeBits = 22;
constexpr uint64_t groupOf(uint64_t charge) {
  return charge >> kChargeBits;
}

struct Figures {
  uint32_t idle, busy, slow, lost;
  uint64_t begun, lostEver, refused;
};

class Helpers {
 public:
  // `socket`: what kTake has got, or kSecure of a connection that is over. `bytes`: what kExchange has received.
  using Done = std::function<void(const Answer&, const std::string& bytes, Fd socket)>;

  // `parentFd`: a SOCK_SEQPACKET to the parent of all helpers, borrowed. Throws SysError.
  Helpers(int parentFd, Limits limits);
  ~Helpers();  // as abandon()
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  // `done` is called exactly once, later.
  void submit(Job job, Done done);

  // Readable when poll() has something to do. -1 after close().
  int pollFd() const { return epoll_.get(); }
  void poll();
  // Jobs whose `done` has not been called.
  size_t inFlight() const { return waiting_ + running_ + ended_.size(); }
  Figures figures() const;

  // Fails all jobs, calling each `done` before it returns. Helpers end by themselves; those that are slow are killed.
  void close();
  // Frees everything and calls nobody.
  void abandon();

 private:
  struct Entry {
    Job job;
    Done done;
  };
  // Helpers that are at it, and those of them that are given up.
  struct Use {
    uint32_t running = 0, lost = 0;
    bool below(uint32_t limit) const { return running + lost < limit; }
    bool none() const { return running + lost == 0; }
  };
  struct Owner {
    std::deque<Entry> queue;
    Use use;
    bool listed = false;  // in turn_
  };
  enum class State {
    kBorn,
    kIdle,
    kBusy,
    kEnding,
    kLost
  };  // kEnding: it has died, its channel is about to say so
  enum class Begun { kYes, kNotWithIt, kNotNow, kNever };
  struct Helper {
    uint64_t id;
    State state = State::kBorn;
    Fd channel, process;  // process: a pidfd
    bool slow = false;
    uint64_t begunNs = 0;
    uint64_t charge = 0;
    Entry entry = {};
  };
  using HelperList = std::list<Helper>;
  struct Ended {
    Done done;
    Answer answer;
    std::string bytes;
    Fd socket;
  };

  void spawn();
  size_t good() const;
  void ensure();
  void dispatch();
  Begun begin(Helper& helper, Entry& entry);
  void heard(HelperList::iterator at);
  void greeted(Helper& helper, Fd process);
  void answered(HelperList::iterator at, const Answer& answer, size_t bytes, Fd socket);
  void gone(HelperList::iterator at);
  void lose(HelperList::iterator at, const char* why);
  void late(HelperList::iterator at);
  void watch();
  void arm(uint64_t inNs);
  void fail(Entry entry, const char* code, const std::string& message);
  bool hasRoom(uint64_t charge, const Owner& owner);
  bool isStuck(uint64_t charge, const Owner& owner);
  void list(uint64_t charge, Owner& owner);
  void charge(uint64_t charge, int running, int lost);
  void forget(uint64_t charge);
  std::vector<Fd> shut(Fd& channel);
  void closeByTask(Fd socket, uint64_t charge);
  void closeElsewhere(std::vector<Fd> sockets);
  void letGo(std::vector<Fd> sockets);
  void deliver(size_t count);

  int parentFd_;
  Limits limits_;
  Fd epoll_, timer_, placeholder_;
  bool armed_ = false;
  uint64_t lastId_ = 0;  // 0 stands for the timer
  HelperList helpers_;
  std::map<uint64_t, HelperList::iterator> byId_;
  std::map<uint64_t, Owner> owners_;  // by charge: those of a group are side by side
  std::map<uint64_t, Use> groups_;
  std::deque<uint64_t> turn_;  // owners with something to do and room to do it
  std::deque<Ended> ended_;
  std::unique_ptr<char[]> buffer_;
  size_t waiting_ = 0, running_ = 0;
  uint64_t begun_ = 0, lostEver_ = 0, refused_ = 0;
};

}  // namespace tlshub::helper
