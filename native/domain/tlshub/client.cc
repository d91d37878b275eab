// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>

#include "../error.h"

namespace tlshub::module {

namespace {

// Datagrams and events taken at a time: the event loop has other work.
constexpr int kBatch = 64;
constexpr uint64_t kTimerId = UINT64_MAX;
// A reply that the kernel had no room for is asked for again; a log that floods us must not make that endless.
constexpr int kMaxSends = 5;
constexpr std::chrono::milliseconds kFirstPause{1}, kLongestPause{50};

}  // namespace

Client::Client(const Address& address, size_t sockets, Log log)
    : address_(address),
      log_(std::move(log)),
      lanes_(std::max<size_t>(sockets, 2)),
      handshakeLanes_(lanes_.size() - std::max<size_t>(lanes_.size() / 4, 1)) {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) throw SysError("epoll_create1", "no epoll set");
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = kTimerId;
  if (!timer_ || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event))
    throw SysError("timerfd_create", "no timer");
}

Client::~Client() {
  abandon();
}

bool Client::isHandshake(const Job& job) {
  return job.message.body.opcode == static_cast<int8_t>(Opcode::kStart);
}

void Client::enqueue(uint64_t id, const Job& job) {
  (isHandshake(job) ? starts_ : lookups_).push_back(id);
}

uint64_t Client::start(const RequestBody& request, std::chrono::milliseconds timeout, Done done) {
  const uint64_t id = ++lastId_;
  Job job{};
  job.message.header.nlmsg_len = sizeof(job.message);
  job.message.body = request;
  job.done = std::move(done);
  job.deadline = Clock::now() + timeout;
  deadlines_.emplace(job.deadline, id);
  enqueue(id, jobs_.emplace(id, std::move(job)).first->second);
  assign();
  setTimer();
  return id;
}

// Gives waiting requests to sockets that are free, look-ups first.
void Client::assign() {
  for (size_t lane = 0; lane < lanes_.size(); lane++) {
    if (lanes_[lane].job) continue;
    if (assignNext(lookups_, lane)) continue;
    if (handshakes_ >= handshakeLanes_ || !assignNext(starts_, lane)) {
      if (lookups_.empty() && (starts_.empty() || handshakes_ >= handshakeLanes_)) return;
    }
  }
}

bool Client::assignNext(std::deque<uint64_t>& queue, size_t lane) {
  while (!queue.empty()) {
    const uint64_t id = queue.front();
    queue.pop_front();
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) continue;  // given up while it waited
    Job& job = at->second;
    lanes_[lane].job = id;
    job.lane = lane;
    if (isHandshake(job)) handshakes_++;
    send(id, job);
    // It may have failed at once, and then the socket is free again.
    if (lanes_[lane].job) return true;
  }
  return false;
}

void Client::send(uint64_t id, Job& job) {
  const size_t index = *job.lane;
  Lane& lane = lanes_[index];
  try {
    if (!lane.socket) {
      lane.socket = std::make_unique<NetlinkSocket>(address_);
      statistics_.opened++;
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u64 = index;
      if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, lane.socket->fd(), &event))
        throw SysError("epoll_ctl", "cannot watch a netlink socket");
    }
    if (++lastSequence_ == 0) lastSequence_ = 1;
    job.message.header.nlmsg_seq = lastSequence_;
    job.message.header.nlmsg_pid = lane.socket->portId();
    if (lane.socket->send(job.message)) {
      job.sends++;
      return;
    }
  } catch (const CodedError& error) {
    failLane(index, error.code(), error.what());
    return;
  }
  job.pause = std::clamp(job.pause * 2, kFirstPause, kLongestPause);
  job.resendAt = Clock::now() + job.pause;
  resends_.emplace(*job.resendAt, id);
}

void Client::read(size_t index) {
  NetlinkSocket::Buffer buffer;
  for (int count = 0; count < kBatch && lanes_[index].socket; count++) {
    size_t size = 0;
    try {
      const NetlinkSocket::Got got = lanes_[index].socket->receive(buffer, size);
      if (got == NetlinkSocket::Got::kNothing) break;
      if (got == NetlinkSocket::Got::kForeign) {
        statistics_.foreign++;
      } else if (got == NetlinkSocket::Got::kLost) {
        statistics_.lost++;
        again(index);
      } else {
        message(index, buffer, size);
      }
    } catch (const CodedError& error) {
      failLane(index, error.code(), error.what());
    }
  }
  explicit_bzero(buffer.data(), buffer.size());
}

void Client::message(size_t index, const NetlinkSocket::Buffer& buffer, size_t size) {
  const uint64_t id = lanes_[index].job;
  const auto at = jobs_.find(id);
  const bool waiting = at != jobs_.end() && at->second.sends > 0;
  const Opcode asked = waiting ? static_cast<Opcode>(at->second.message.body.opcode) : Opcode::kInit;
  if (size > buffer.size()) {
    failLane(index, "TLSHUB_MODULE_PROTOCOL", "a reply of " + std::to_string(size) + " bytes");
    return;
  }
  Reply reply = parseReply(buffer.data(), size, asked);
  if (reply.kind == Reply::Kind::kLog) {
    if (log_) log_(reply.text);
    return;
  }
  const bool another = reply.sequence != 0 && waiting &&
                       reply.sequence != at->second.message.header.nlmsg_seq &&
                       reply.kind != Reply::Kind::kMalformed;
  if (!waiting || another) {
    statistics_.stray++;
    return;
  }
  if (reply.kind == Reply::Kind::kMalformed) {
    failLane(index, "TLSHUB_MODULE_PROTOCOL", "the reply cannot be read: " + reply.text);
    return;
  }
  if (reply.kind == Reply::Kind::kRefused) {
    failLane(index, "TLSHUB_MODULE_PROTOCOL", "the request was refused: " + reply.text);
    return;
  }
  Outcome outcome;
  outcome.status = Outcome::Status::kReply;
  outcome.reply = std::move(reply);
  end(id, std::move(outcome));
}

// The answer is lost, or so much of what came before it that nobody knows. All requests can be repeated: a handshake that was done
// already is answered with "already connected".
void Client::again(size_t index) {
  const uint64_t id = lanes_[index].job;
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return;
  if (at->second.sends >= kMaxSends) {
    failLane(index, "TLSHUB_MODULE_PROTOCOL", "its replies were lost again and again (ENOBUFS)");
    return;
  }
  if (at->second.resendAt) return;
  lanes_[index].socket.reset();
  send(id, at->second);
}

void Client::failLane(size_t index, std::string code, std::string reason) {
  const uint64_t id = lanes_[index].job;
  closeLane(index);
  if (jobs_.count(id) == 0) return;
  Outcome outcome;
  outcome.code = std::move(code);
  outcome.reason = std::move(reason);
  end(id, std::move(outcome));
}

// Its port id is not used again, so what is still on its way arrives nowhere. Closing takes it out of the epoll set.
void Client::closeLane(size_t index) {
  lanes_[index].socket.reset();
}

void Client::end(uint64_t id, Outcome&& outcome) {
  const auto at = jobs_.find(id);
  Job& job = at->second;
  if (job.lane) {
    lanes_[*job.lane].job = 0;
    if (isHandshake(job)) handshakes_--;
  }
  deadlines_.erase({job.deadline, id});
  if (job.resendAt) resends_.erase({*job.resendAt, id});
  ended_.push_back({std::move(outcome), std::move(job.done)});
  jobs_.erase(at);
}

void Client::cancel(uint64_t id) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return;
  if (at->second.lane) closeLane(*at->second.lane);
  Outcome outcome;
  outcome.status = Outcome::Status::kCancelled;
  end(id, std::move(outcome));
  assign();
  setTimer();
}

void Client::poll() {
  if (!epoll_) return;
  std::array<epoll_event, kBatch> events;
  const int count = epoll_wait(epoll_.get(), events.data(), kBatch, 0);
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 == kTimerId) {
      uint64_t expirations;
      if (::read(timer_.get(), &expirations, sizeof(expirations)) > 0) timerAt_ = Clock::time_point::max();
    } else {
      read(events[i].data.u64);
    }
  }
  expire();
  assign();
  // Those that end within a callback come next time: the timer sees to it.
  deliver(ended_.size());
  setTimer();
}

void Client::expire() {
  const Clock::time_point now = Clock::now();
  while (!resends_.empty() && resends_.begin()->first <= now) {
    const uint64_t id = resends_.begin()->second;
    resends_.erase(resends_.begin());
    Job& job = jobs_.at(id);
    job.resendAt.reset();
    send(id, job);
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const uint64_t id = deadlines_.begin()->second;
    const Job& job = jobs_.at(id);
    if (job.lane) closeLane(*job.lane);
    Outcome outcome;
    outcome.status = Outcome::Status::kTimeout;
    outcome.reason = job.sends > 0 ? "the TLSHub module did not answer in time"
                     : job.lane    ? "the TLSHub module takes no requests"
                                   : "all sockets to the TLSHub module were busy";
    end(id, std::move(outcome));
  }
}

void Client::deliver(size_t count) {
  for (; count > 0 && !ended_.empty(); count--) {
    Ended next = std::move(ended_.front());
    ended_.pop_front();
    next.done(std::move(next.outcome));
  }
}

void Client::setTimer() {
  if (!timer_) return;
  Clock::time_point at = Clock::time_point::max();
  if (!ended_.empty()) {
    at = Clock::time_point(std::chrono::nanoseconds(1));  // in the past, and not the 0 that disarms
  } else {
    if (!deadlines_.empty()) at = deadlines_.begin()->first;
    if (!resends_.empty()) at = std::min(at, resends_.begin()->first);
  }
  // One that is set for an earlier time stays: to wake once for nothing costs less than to move it with each request that ends.
  if (at >= timerAt_) return;
  timerAt_ = at;
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
  itimerspec spec = {};
  spec.it_value.tv_sec = ns / 1000000000;
  spec.it_value.tv_nsec = ns % 1000000000;
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Client::close() {
  while (!jobs_.empty()) {
    Outcome outcome;
    outcome.status = Outcome::Status::kCancelled;
    end(jobs_.begin()->first, std::move(outcome));
  }
  for (Lane& lane : lanes_) lane.socket.reset();
  timer_.reset();
  epoll_.reset();
  deliver(ended_.size());
}

void Client::abandon() {
  jobs_.clear();
  ended_.clear();
  lookups_.clear();
  starts_.clear();
  deadlines_.clear();
  resends_.clear();
  for (Lane& lane : lanes_) lane = {};
  timer_.reset();
  epoll_.reset();
}

}  // namespace tlshub::module
