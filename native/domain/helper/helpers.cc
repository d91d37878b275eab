// SPDX-License-Identifier: Apache-2.0
#include "helpers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "../clock.h"
#include "../error.h"

namespace tlshub::helper {
namespace {

constexpr int kBatch = 16;
constexpr uint64_t kTimer = 0;
// The end of a helper's process, beside the messages of its channel.
constexpr uint64_t kProcess = 1ull << 63;
constexpr uint64_t kMs = 1000000;

bool add(int epoll, int fd, uint64_t id) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = id;
  return !epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

Helpers::Helpers(int parentFd, Limits limits) : parentFd_(parentFd), limits_(limits) {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  placeholder_.reset(eventfd(0, EFD_CLOEXEC));
  if (!epoll_ || !timer_ || !placeholder_) throw SysError("epoll_create1", "cannot start helpers");
  if (!add(epoll_.get(), timer_.get(), kTimer)) throw SysError("epoll_ctl", "cannot start helpers");
  buffer_.reset(new char[kMostBytes]);
  ensure();
}

Helpers::~Helpers() {
  abandon();
}

Figures Helpers::figures() const {
  Figures figures = {0, 0, 0, 0, begun_, lostEver_, refused_};
  for (const Helper& helper : helpers_) {
    figures.idle += helper.state == State::kIdle;
    figures.busy += helper.state == State::kBusy;
    figures.slow += helper.state == State::kBusy && helper.slow;
    figures.lost += helper.state == State::kLost;
  }
  return figures;
}

void Helpers::arm(uint64_t inNs) {
  if (armed_) return;
  armed_ = true;
  itimerspec spec = {};
  spec.it_value.tv_sec = static_cast<time_t>(inNs / 1000000000);
  spec.it_value.tv_nsec = static_cast<long>(inNs % 1000000000);
  timerfd_settime(timer_.get(), 0, &spec, nullptr);
}

// If it cannot, for want of descriptors, or because the parent is behind, the timer tries again.
void Helpers::spawn() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return;
  Fd ours(pair[0]), its(pair[1]);
  const uint64_t id = lastId_ + 1;
  if (!add(epoll_.get(), ours.get(), id)) return;
  if (!sendMessage(parentFd_, &kBirth, 1, nullptr, 0, its.get(), MSG_DONTWAIT)) return;
  lastId_ = id;
  Helper helper;
  helper.id = id;
  helper.channel = std::move(ours);
  helpers_.push_back(std::move(helper));
  byId_[lastId_] = std::prev(helpers_.end());
}

size_t Helpers::good() const {
  size_t good = 0;
  for (const Helper& helper : helpers_)
    good += helper.state != State::kLost && helper.state != State::kEnding && !helper.slow;
  return good;
}

void Helpers::ensure() {
  size_t good = this->good();
  while (good < limits_.ready && helpers_.size() < limits_.most) {
    const size_t before = helpers_.size();
    spawn();
    if (helpers_.size() == before) return arm(limits_.slowMs * kMs);
    good++;
  }
}

void Helpers::fail(Entry entry, const char* code, const std::string& message) {
  Ended ended = {std::move(entry.done), {}, {}, {}};
  ended.answer.failed = 1;
  std::snprintf(ended.answer.code, sizeof(ended.answer.code), "%s", code);
  std::snprintf(ended.answer.message, sizeof(ended.answer.message), "%s", message.c_str());
  ended_.push_back(std::move(ended));
  armed_ = false;  // for at once
  arm(1);
}

void Helpers::submit(Job job, Done done) {
  Entry entry = {std::move(job), std::move(done)};
  if (!epoll_) {
    std::vector<Fd> sockets;
    sockets.push_back(lastOf(entry.job));
    closeElsewhere(std::move(sockets));
    return fail(std::move(entry), kLostCode, "there are no helpers any more");
  }
  const uint64_t charge = entry.job.charge;
  Owner& owner = owners_[charge];
  // A last task has a descriptor that must be closed where that may wait: it waits for its turn instead.
  if (isStuck(charge, owner) && !isLast(entry.job.request.task)) {
    refused_++;
    return fail(
        std::move(entry), kStuckCode,
        "system calls on sockets of its program or cgroup have not come back: no more are begun for it");
  }
  owner.queue.push_back(std::move(entry));
  waiting_++;
  list(charge, owner);
  dispatch();
}

void Helpers::dispatch() {
  for (auto at = helpers_.begin(); at != helpers_.end() && !turn_.empty();) {
    if (at->state != State::kIdle) {
      ++at;
      continue;
    }
    const uint64_t charged = turn_.front();
    turn_.pop_front();
    Owner& owner = owners_[charged];
    owner.listed = false;
    // Its group may have been filled by another one meanwhile; who goes lists it again.
    if (!hasRoom(charged, owner)) continue;
    Entry entry = std::move(owner.queue.front());
    owner.queue.pop_front();
    const Begun begun = begin(*at, entry);
    if (begun == Begun::kNotWithIt || begun == Begun::kNotNow) {
      owner.queue.push_front(std::move(entry));
      owner.listed = true;
      turn_.push_front(charged);
      if (begun == Begun::kNotNow) return arm(limits_.slowMs * kMs);
      continue;
    }
    waiting_--;
    running_ += begun == Begun::kYes;
    charge(charged, begun == Begun::kYes, 0);
  }
}

// Unless it was begun, or never can be, the job is as it was: nothing of it has been sent.
Helpers::Begun Helpers::begin(Helper& helper, Entry& entry) {
  Request& request = entry.job.request;
  if (!sendMessage(helper.channel.get(), &request, sizeof(request), entry.job.bytes.data(),
                   entry.job.bytes.size(), entry.job.fd, MSG_DONTWAIT)) {
    const int err = errno;
    if (err == EAGAIN || err == ENOBUFS || err == ENOMEM || err == ETOOMANYREFS) return Begun::kNotNow;
    if (err == EPIPE || err == ECONNRESET || err == ECONNREFUSED || err == ENOTCONN) {
      // It has died while it was idle: the end of its channel is on its way.
      helper.state = State::kEnding;
      return Begun::kNotWithIt;
    }
    fail(std::move(entry), kLostCode, std::string("cannot be handed to a helper: ") + std::strerror(err));
    return Begun::kNever;
  }
  helper.state = State::kBusy;
  helper.slow = false;
  helper.charge = entry.job.charge;
  helper.begunNs = monotonicNs();
  begun_++;
  if (isLast(request.task) && entry.job.fd >= 0) {
    ::close(entry.job.fd);
    entry.job.fd = -1;
  } else if (entry.job.fd >= 0) {
    dup3(placeholder_.get(), entry.job.fd, O_CLOEXEC);
  }
  if (waitsForGo(request.task)) {
    const TrafficKeys* const keys = entry.job.keys ? &*entry.job.keys : nullptr;
    sendMessage(helper.channel.get(), &kGo, 1, keys, keys ? sizeof(*keys) : 0, -1, MSG_DONTWAIT);
  }
  entry.job.keys.reset();
  helper.entry = std::move(entry);
  arm(limits_.slowMs * kMs);
  return Begun::kYes;
}

void Helpers::poll() {
  if (!epoll_) return;
  epoll_event events[kBatch];
  const int count = epoll_wait(epoll_.get(), events, kBatch, 0);
  for (int i = 0; i < count; i++) {
    const uint64_t id = events[i].data.u64;
    if (id == kTimer) {
      uint64_t expirations;
      if (read(timer_.get(), &expirations, sizeof(expirations)) > 0) {
        armed_ = false;
        watch();
      }
      continue;
    }
    const auto found = byId_.find(id & ~kProcess);
    if (found == byId_.end()) continue;
    if (id & kProcess)
      gone(found->second);
    else
      heard(found->second);
  }
  ensure();
  dispatch();
  deliver(ended_.size());
}

void Helpers::heard(HelperList::iterator at) {
  // Given up a moment ago, by another event of the same batch.
  if (at->state == State::kLost) return;
  Answer answer = {};
  Fd socket;
  const ssize_t got = receiveMessage(at->channel.get(), &answer, sizeof(answer), buffer_.get(), kMostBytes,
                                     &socket, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (at->state == State::kBorn && got > 0) return greeted(*at, std::move(socket));
  if (at->state == State::kBusy && got >= static_cast<ssize_t>(sizeof(answer)))
    return answered(at, answer, static_cast<size_t>(got) - sizeof(answer), std::move(socket));
  // Its end, or nonsense: it is gone either way.
  if (socket) closeByTask(std::move(socket), at->charge);
  if (at->state == State::kBusy) return lose(at, "the helper process has ended in the middle of a task");
  byId_.erase(at->id);
  helpers_.erase(at);
}

void Helpers::greeted(Helper& helper, Fd process) {
  helper.process = std::move(process);
  helper.state = State::kIdle;
}

void Helpers::answered(HelperList::iterator at, const Answer& answer, size_t bytes, Fd socket) {
  Entry entry = std::move(at->entry);
  at->state = State::kIdle;
  at->slow = false;
  running_--;
  charge(at->charge, -1, 0);
  if (socket && entry.job.fd >= 0) {
    dup3(socket.get(), entry.job.fd, O_CLOEXEC);
    socket.reset();
  }
  ended_.push_back({std::move(entry.done), answer, std::string(buffer_.get(), bytes), std::move(socket)});
  if (good() <= limits_.ready) return;
  byId_.erase(at->id);
  helpers_.erase(at);
}

// A lost one has really ended.
void Helpers::gone(HelperList::iterator at) {
  const uint64_t charged = at->charge;
  byId_.erase(at->id);
  helpers_.erase(at);
  charge(charged, 0, -1);
}

void Helpers::lose(HelperList::iterator at, const char* why) {
  Entry entry = std::move(at->entry);
  const uint64_t charged = at->charge;
  running_--;
  lostEver_++;
  fail(std::move(entry), kLostCode, why);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, at->channel.get(), nullptr);
  std::vector<Fd> late = shut(at->channel);
  at->state = State::kLost;
  charge(charged, -1, 1);
  syscall(SYS_pidfd_send_signal, at->process.get(), SIGKILL, nullptr, 0);
  add(epoll_.get(), at->process.get(), at->id | kProcess);
  for (Fd& socket : late) closeByTask(std::move(socket), charged);
}

// If it is we who come late, its answer is there.
void Helpers::late(HelperList::iterator at) {
  const uint64_t id = at->id;
  heard(at);
  const auto still = byId_.find(id);
  if (still == byId_.end() || still->second->state != State::kBusy) return;
  lose(still->second,
       "a system call on the socket did not come back: its program keeps it waiting, or the machine is "
       "out of memory");
}

void Helpers::watch() {
  const uint64_t now = monotonicNs();
  bool busy = false;
  for (auto at = helpers_.begin(); at != helpers_.end();) {
    const auto next = std::next(at);
    if (at->state == State::kBusy) {
      const uint64_t ms = (now - at->begunNs) / kMs;
      at->slow = at->slow || ms >= limits_.slowMs;
      busy = busy || ms < limits_.lostMs;
      if (ms >= limits_.lostMs) late(at);
    }
    at = next;
  }
  if (busy) arm(limits_.slowMs * kMs);
}

void Helpers::deliver(size_t count) {
  for (; count > 0 && !ended_.empty(); count--) {
    Ended next = std::move(ended_.front());
    ended_.pop_front();
    next.done(next.answer, next.bytes, std::move(next.socket));
  }
  if (epoll_ && !ended_.empty()) {
    armed_ = false;
    arm(1);
  }
}

void Helpers::letGo(std::vector<Fd> sockets) {
  for (auto& [key, owner] : owners_)
    for (Entry& entry : owner.queue)
      if (Fd socket = lastOf(entry.job)) sockets.push_back(std::move(socket));
  for (Helper& helper : helpers_) {
    if (helper.state == State::kBusy && monotonicNs() - helper.begunNs >= limits_.slowMs * kMs)
      syscall(SYS_pidfd_send_signal, helper.process.get(), SIGKILL, nullptr, 0);
    // Of one that is being born there is nothing but its pidfd.
    if (helper.state == State::kBorn) continue;
    for (Fd& socket : shut(helper.channel)) sockets.push_back(std::move(socket));
  }
  closeElsewhere(std::move(sockets));
  waiting_ = running_ = 0;
  owners_.clear();
  groups_.clear();
  turn_.clear();
  byId_.clear();
  helpers_.clear();
}

void Helpers::close() {
  std::deque<Entry> left;
  std::vector<Fd> sockets;
  for (Helper& helper : helpers_)
    if (helper.state == State::kBusy) left.push_back(std::move(helper.entry));
  for (auto& [key, owner] : owners_)
    for (Entry& entry : owner.queue) {
      if (Fd socket = lastOf(entry.job)) sockets.push_back(std::move(socket));
      left.push_back(std::move(entry));
    }
  letGo(std::move(sockets));
  for (Entry& entry : left) fail(std::move(entry), kLostCode, "the agent is going");
  epoll_.reset();
  timer_.reset();
  deliver(ended_.size());
}

void Helpers::abandon() {
  std::vector<Fd> sockets;
  for (Ended& ended : ended_)
    if (ended.socket) sockets.push_back(std::move(ended.socket));
  letGo(std::move(sockets));
  ended_.clear();
  epoll_.reset();
  timer_.reset();
}

}  // namespace tlshub::helper
