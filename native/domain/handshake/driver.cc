// SPDX-License-Identifier: Apache-2.0
#include "driver.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "../../../bpf/watch.h"
#include "../secrets/stack.h"

namespace tlshub::handshake {

namespace {

// Events taken at a time: a handshake step costs up to a millisecond, and the event loop has other work.
constexpr int kBatch = 16;
constexpr uint64_t kTimerId = 0;
constexpr uint64_t kHelpersId = UINT64_MAX;
// For the peer's last record: once there and back on most networks.
constexpr auto kLastWord = std::chrono::milliseconds(200);
constexpr char kCancelledReason[] = "the handshake was cancelled";

uint32_t eventsFor(Session::Step step) {
  switch (step) {
    case Session::Step::kWait:
      return EPOLLIN;
    case Session::Step::kWaitToSend:
      return EPOLLOUT;
    case Session::Step::kWaitForBoth:
      return EPOLLIN | EPOLLOUT;
    case Session::Step::kEnded:
      break;
  }
  return 0;
}

// A TCP connection that has ended, by whatever. What was received before can still be read.
bool isOver(int fd) {
  tcp_info info = {};
  socklen_t length = sizeof(info);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_CLOSE;
}

}  // namespace

Driver::Driver(std::unique_ptr<helper::Helpers> helpers) : helpers_(std::move(helpers)) {
  epollFd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epollFd_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  timerFd_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kTimerId;
  if (timerFd_ < 0 || epoll_ctl(epollFd_, EPOLL_CTL_ADD, timerFd_, &event) != 0) {
    const int error = errno;
    closeFds();
    throw std::system_error(error, std::generic_category(), "timerfd");
  }
  event.data.u64 = kHelpersId;
  if (helpers_ && epoll_ctl(epollFd_, EPOLL_CTL_ADD, helpers_->pollFd(), &event) != 0) {
    const int error = errno;
    closeFds();
    throw std::system_error(error, std::generic_category(), "helpers");
  }
}

Driver::~Driver() {
  abandon();
}

void Driver::closeFds() {
  if (timerFd_ >= 0) ::close(timerFd_);
  if (epollFd_ >= 0) ::close(epollFd_);
  timerFd_ = epollFd_ = -1;
}

uint64_t Driver::start(std::shared_ptr<const Context> context, Request request, Done done) {
  const uint64_t id = ++lastId_;
  const Clock::time_point deadline = Clock::now() + request.timeout;
  Job job;
  job.session = std::make_unique<Session>(std::move(context), std::move(request), helpers_ != nullptr);
  job.done = std::move(done);
  job.deadline = deadline;
  const auto at = jobs_.emplace(id, std::move(job)).first;
  deadlines_.emplace(deadline, id);
  advance(at);
  // Each time, and not only when a handshake ends: it goes on from poll(), where the stack may be less deep.
  wipeStack();
  setTimer();
  return id;
}

void Driver::advance(Jobs::iterator at) {
  Job& job = at->second;
  const Session::Step step = job.session->advance();
  job.over = step == Session::Step::kEnded;
  if (job.session->channel().wantsExchange(job.over)) return exchange(at);
  if (job.over || !watch(at->first, job, step)) end(at);
}

void Driver::exchange(Jobs::iterator at) {
  Job& job = at->second;
  helper::Job task;
  task.request.task = helper::Task::kExchange;
  task.request.exchange = job.session->channel().nextExchange(job.over, &task.bytes);
  task.request.exchange.bytes = static_cast<uint32_t>(task.bytes.size());
  task.fd = job.session->fd();
  task.charge = job.session->charge();
  job.busy = true;
  helpers_->submit(std::move(task),
                   [this, id = at->first](const helper::Answer& answer, const std::string& bytes, Fd) {
                     exchanged(id, answer, bytes);
                   });
}

void Driver::exchanged(uint64_t id, const helper::Answer& answer, const std::string& bytes) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return;
  Job& job = at->second;
  Session& session = *job.session;
  job.busy = false;
  if (answer.failed) {
    const std::string code = answer.code;
    session.fail(code == helper::kLostCode    ? Failure::kHelperLost
                 : code == helper::kStuckCode ? Failure::kOwnerStuck
                                              : Failure::kFailed,
                 answer.message);
    return end(at);
  }
  session.channel().exchanged(answer, bytes);
  if (job.over) return end(at);
  if (!job.cancelled) return advance(at);
  // News of a connection's end may overtake what the peer said before: an alert that tells why is still in the queue.
  if (!answer.over || session.advance() != Session::Step::kEnded)
    session.fail(Failure::kCancelled, kCancelledReason);
  job.over = true;
  // What the session has read is not to be left in the queue for somebody else's.
  if (session.channel().wantsExchange(true)) return exchange(at);
  end(at);
}

bool Driver::watch(uint64_t id, Job& job, Session::Step step) {
  epoll_event event{};
  event.events = eventsFor(step) | EPOLLONESHOT;
  event.data.u64 = AGENTS_WATCH | id;
  const int operation = job.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(epollFd_, operation, job.session->fd(), &event) == 0) {
    job.registered = true;
    return true;
  }
  const int error = errno;
  job.session->fail(Failure::kFailed, error == EEXIST ? "another handshake is under way on this socket"
                                                      : std::string("epoll_ctl: ") + strerror(error));
  return false;
}

// Moves a job to those that wait for their callback, and lets go of its socket.
void Driver::end(Jobs::iterator at) {
  Job& job = at->second;
  epoll_event unused{};
  if (job.registered) epoll_ctl(epollFd_, EPOLL_CTL_DEL, job.session->fd(), &unused);
  deadlines_.erase({job.deadline, at->first});
  ended_.push_back({job.session->finish(), std::move(job.done)});
  jobs_.erase(at);
}

bool Driver::cancel(uint64_t id) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return false;
  if (at->second.session->isConfirming())
    hasten(at);
  else
    giveUp(at);
  return true;
}

void Driver::giveUp(Jobs::iterator at) {
  Session& session = *at->second.session;
  if (helpers_) {
    at->second.cancelled = true;
    session.channel().ready();
    if (!at->second.busy) exchange(at);
    return;
  }
  // News of a connection's end may overtake what the peer said before: an alert that tells why is still in the queue.
  if (!isOver(session.fd()) || session.advance() != Session::Step::kEnded)
    session.fail(Failure::kCancelled, kCancelledReason);
  end(at);
  wipeStack();
  setTimer();
}

// A peer that is through with the handshake may have its program's bytes under way. With keys set, TCP does with them what it does without us.
void Driver::hasten(Jobs::iterator at) {
  auto& [id, job] = *at;
  deadlines_.erase({job.deadline, id});
  job.closing = true;
  job.deadline = std::min(job.deadline, Clock::now() + kLastWord);
  deadlines_.emplace(job.deadline, id);
  setTimer();
}

void Driver::poll() {
  if (epollFd_ < 0) return;
  std::array<epoll_event, kBatch> events;
  const int count = epoll_wait(epollFd_, events.data(), kBatch, 0);
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 == kTimerId) {
      uint64_t expirations;
      if (read(timerFd_, &expirations, sizeof expirations) > 0) timerAt_ = Clock::time_point::max();
      continue;
    }
    if (events[i].data.u64 == kHelpersId) {
      helpers_->poll();
      continue;
    }
    const auto at = jobs_.find(events[i].data.u64 & ~AGENTS_WATCH_MASK);
    if (at == jobs_.end() || at->second.busy) continue;
    at->second.session->channel().ready();
    if (helpers_)
      exchange(at);
    else
      advance(at);
  }
  expire();
  // From here, above all that the library was called from.
  if (count > 0) wipeStack();
  // Those that end within a callback come next time: the timer sees to it.
  deliver(ended_.size());
  setTimer();
}

void Driver::expire() {
  const Clock::time_point now = Clock::now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto at = jobs_.find(deadlines_.begin()->second);
    Session& session = *at->second.session;
    if (at->second.closing)
      session.fail(Failure::kCancelled, kCancelledReason);
    else
      session.fail(Failure::kTimeout, session.overdueReason());
    if (!at->second.busy) {
      end(at);
      continue;
    }
    // Its socket is on its way.
    at->second.over = true;
    deadlines_.erase(deadlines_.begin());
  }
}

void Driver::deliver(size_t count) {
  for (; count > 0 && !ended_.empty(); count--) {
    Ended next = std::move(ended_.front());
    ended_.pop_front();
    next.done(std::move(next.outcome));
  }
}

// For the earliest deadline, or for at once if callbacks are due.
void Driver::setTimer() {
  if (timerFd_ < 0) return;
  Clock::time_point at = Clock::time_point::max();
  if (!ended_.empty()) {
    at = Clock::time_point(std::chrono::nanoseconds(1));  // in the past, and not the 0 that disarms
  } else if (!deadlines_.empty()) {
    at = deadlines_.begin()->first;
  }
  if (at == timerAt_) return;
  timerAt_ = at;
  itimerspec spec{};
  if (at != Clock::time_point::max()) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
    spec.it_value.tv_sec = ns / 1000000000;
    spec.it_value.tv_nsec = ns % 1000000000;
  }
  timerfd_settime(timerFd_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Driver::close() {
  while (!jobs_.empty()) {
    if (!helpers_) {
      giveUp(jobs_.begin());
      continue;
    }
    jobs_.begin()->second.session->fail(Failure::kCancelled, kCancelledReason);
    end(jobs_.begin());
  }
  if (helpers_) helpers_->close();
  closeFds();
  deliver(ended_.size());
}

void Driver::abandon() {
  if (helpers_) helpers_->abandon();
  for (auto& [id, job] : jobs_) job.session->finish();
  jobs_.clear();
  deadlines_.clear();
  ended_.clear();
  closeFds();
}

}  // namespace tlshub::handshake
