// SPDX-License-Identifier: Apache-2.0
#include "driver.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "../../../bpf/watch.h"
#include "../error.h"
#include "../handshake/certificate.h"
#include "../secrets/stack.h"
#include "driver_ids.h"

namespace tlshub::channel {

namespace {

std::string msText(std::chrono::milliseconds time) {
  return std::to_string(time.count()) + " ms";
}

}  // namespace

Driver::Driver(std::shared_ptr<const handshake::Context> context, std::string ownName, OnNews onNews,
               const DriverTimes& times, const HalfOpenLimits& limits)
    : context_(std::move(context)),
      ownName_(std::move(ownName)),
      onNews_(std::move(onNews)),
      times_(times),
      half_(limits),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      nodes_(std::make_shared<handshake::NodeSet>(std::vector<std::string>{})) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kTimerId;
  if (!epoll_ || !timer_ || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) != 0) {
    throw SysError("epoll_create1", "there is no epoll set with a timer for channels");
  }
}

Driver::~Driver() {
  close();
}

void Driver::setNodes(const std::vector<std::string>& names, const std::vector<Source>& addresses) {
  nodes_ = std::make_shared<handshake::NodeSet>(names);
  nodeAddresses_ = std::set<Source>(addresses.begin(), addresses.end());
}

uint64_t Driver::open(const Target& target) {
  const uint64_t id = ++lastId;
  if (!epoll_) return id;
  Job job{connectTo(target.address)};
  const int error = job.fd ? 0 : errno;
  job.target = target;
  const auto at = jobs_.emplace(id, std::move(job)).first;
  if (error != 0) {
    unreachable(at, strerror(error));
  } else {
    setDeadline(at, Clock::now() + times_.connecting);
    watch(at, EPOLLOUT);
  }
  setTimer();
  return id;
}

void Driver::connected(Jobs::iterator at, Time now) {
  Job& job = at->second;
  if (const int error = connectError(job.fd.get())) return unreachable(at, strerror(error));
  Terms terms;
  terms.fd = job.fd.get();
  terms.side = Side::kOpener;
  terms.ownName = ownName_;
  terms.peerName = job.target.node;
  terms.epoch = job.target.epoch;
  job.session = std::make_unique<Session>(context_, std::move(terms), now, times_.session);
  advance(at, now);
}

void Driver::unreachable(Jobs::iterator at, const std::string& what) {
  const Target& target = at->second.target;
  end(at, "TLSHUB_CHANNEL_UNREACHABLE",
      "the agent of " + handshake::listText({target.node}) + " at " + addressText(target.address) +
          " cannot be reached: " + what);
}

void Driver::accept(uint64_t id) {
  const auto at = find(id);
  if (at == jobs_.end() || !at->second.undecided) return;
  const Time now = Clock::now();
  at->second.undecided = false;
  at->second.session->accept(now);
  advance(at, now);
  settle();
}

void Driver::reject(uint64_t id, Refusal why, const std::string& text) {
  const auto at = find(id);
  if (at == jobs_.end() || !at->second.undecided) return;
  const Time now = Clock::now();
  at->second.undecided = false;
  at->second.session->reject(why, text, now);
  advance(at, now);
  settle();
}

void Driver::numberTaken(uint64_t id, uint16_t number) {
  const auto at = find(id);
  if (at == jobs_.end() || at->second.session == nullptr) return;
  at->second.session->numberTaken(number);
  advance(at, Clock::now());
  settle();
}

void Driver::close(uint64_t id, Close why) {
  const auto at = find(id);
  if (at == jobs_.end()) return;
  const Time now = Clock::now();
  if (at->second.session == nullptr) {
    end(at, "", std::string("this agent closed the epoch: ") + closeText(why));
  } else {
    at->second.undecided = false;
    at->second.session->close(why, now);
    advance(at, now);
  }
  settle();
}

void Driver::closeAll(Close why) {
  stopListening();
  std::vector<uint64_t> ids;
  for (const auto& [id, job] : jobs_) ids.push_back(id);
  for (const uint64_t id : ids) close(id, why);
}

// Behind each call of the library that is not below poll(), which may go on from where the stack is less deep.
void Driver::settle() {
  wipeStack();
  setTimer();
}

void Driver::poll() {
  if (!epoll_) return;
  std::array<epoll_event, kBatch> events;
  const int count = epoll_wait(epoll_.get(), events.data(), kBatch, 0);
  const Time now = Clock::now();
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 == kTimerId) {
      uint64_t expirations;
      if (read(timer_.get(), &expirations, sizeof expirations) > 0) timerAt_ = Time::max();
      continue;
    }
    const uint64_t id = events[i].data.u64 & ~AGENTS_WATCH_MASK;
    if (id == kListenerId) {
      acceptAll(now);
      continue;
    }
    const auto at = find(id);
    if (at == jobs_.end()) continue;
    if (at->second.session == nullptr)
      connected(at, now);
    else
      advance(at, now);
  }
  expire(now);
  // From here, above all that the library was called from.
  wipeStack();
  // What comes up within a callback is told next time: the timer sees to it.
  deliver(news_.size());
  setTimer();
}

void Driver::advance(Jobs::iterator at, Time now) {
  Job& job = at->second;
  const Session::Step step = job.session->advance(now);
  Session::Event event;
  while (job.session->nextEvent(&event)) hear(at, event, now);
  if (step == Session::Step::kEnded) {
    const Session::Ending ending = job.session->ending();
    return end(at, ending.code, ending.reason);
  }
  setDeadline(at, job.session->deadline());
  if (!job.undecided) watch(at, step == Session::Step::kWait ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void Driver::hear(Jobs::iterator at, const Session::Event& event, Time now) {
  Job& job = at->second;
  News news = newsOf(at->first, job, News::kEnded);
  switch (event.what) {
    case Session::Event::kProposed:
      job.undecided = true;
      news.what = News::kProposed;
      break;
    case Session::Event::kOpen:
      givePlace(job, true, now);
      news.what = News::kOpen;
      news.secret = job.session->takeSecret();
      if (!news.secret) return;  // the peer has closed it with the same words
      break;
    case Session::Event::kNumberTaken:
      news.what = News::kNumberTaken;
      news.number = event.number;
      break;
    case Session::Event::kClosing:
      news.what = News::kClosing;
      news.why = event.why;
      break;
  }
  news_.push_back(std::move(news));
}

News Driver::newsOf(uint64_t id, const Job& job, News::What what) const {
  News news;
  news.what = what;
  news.id = id;
  news.side = job.side;
  if (job.session != nullptr) {
    news.epoch = job.session->epoch();
    news.opener = job.session->openerName();
    news.listener = job.session->listenerName();
    news.cipher = job.session->cipher();
    news.group = job.session->group();
  } else {
    news.epoch = job.target.epoch;
    news.opener = ownName_;
    news.listener = job.target.node;
  }
  return news;
}

// Kept until it is known what comes of it: a node that is rejected again and again has no more of them than a stranger.
void Driver::givePlace(Job& job, bool good, Time now) {
  if (job.place != 0) half_.ended(std::exchange(job.place, 0), good, now);
}

void Driver::watch(Jobs::iterator at, uint32_t events) {
  Job& job = at->second;
  epoll_event event{};
  event.events = events | EPOLLONESHOT;
  event.data.u64 = AGENTS_WATCH | at->first;
  const int operation = job.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(epoll_.get(), operation, job.fd.get(), &event) == 0) {
    job.registered = true;
    return;
  }
  const int error = errno;
  end(at, "TLSHUB_HANDSHAKE_FAILED", std::string("epoll_ctl: ") + strerror(error));
}

void Driver::setDeadline(Jobs::iterator at, Time deadline) {
  Job& job = at->second;
  if (job.deadline == deadline) return;
  deadlines_.erase({job.deadline, at->first});
  job.deadline = deadline;
  deadlines_.emplace(deadline, at->first);
}

void Driver::end(Jobs::iterator at, std::string code, std::string reason) {
  Job& job = at->second;
  givePlace(job, false, Clock::now());
  News news = newsOf(at->first, job, News::kEnded);
  news.code = std::move(code);
  news.reason = std::move(reason);
  news_.push_back(std::move(news));
  deadlines_.erase({job.deadline, at->first});
  jobs_.erase(at);
}

void Driver::expire(Time now) {
  if (restsUntil_ <= now) {
    restsUntil_ = Time::max();
    if (listener_) watchListener();
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto at = find(deadlines_.begin()->second);
    if (at->second.session == nullptr) {
      unreachable(at, "no answer within " + msText(times_.connecting));
      continue;
    }
    advance(at, now);  // which moves the deadline on, or is the end of it
  }
}

void Driver::deliver(size_t count) {
  const OnNews tell = onNews_;  // close() may be called from inside
  for (; count > 0 && !news_.empty(); count--) {
    News next = std::move(news_.front());
    news_.pop_front();
    tell(std::move(next));
  }
}

// For the earliest deadline, or for at once if somebody is to be told something.
void Driver::setTimer() {
  if (!timer_) return;
  Time at = restsUntil_;
  if (!news_.empty()) {
    at = Time(std::chrono::nanoseconds(1));  // in the past, and not the 0 that disarms
  } else if (!deadlines_.empty()) {
    at = std::min(at, deadlines_.begin()->first);
  }
  if (at == timerAt_) return;
  timerAt_ = at;
  itimerspec spec{};
  if (at != Time::max()) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
    spec.it_value.tv_sec = ns / 1000000000;
    spec.it_value.tv_nsec = ns % 1000000000;
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

Driver::Stats Driver::stats() {
  return {jobs_.size(), news_.size(), half_.taken(Clock::now()), half_.turnedAway(), rests_, connections_};
}

void Driver::close() {
  listener_.reset();
  jobs_.clear();
  deadlines_.clear();
  news_.clear();
  timer_.reset();
  epoll_.reset();
  context_.reset();
  onNews_ = nullptr;
}

}  // namespace tlshub::channel
