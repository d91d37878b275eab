// SPDX-License-Identifier: Apache-2.0
#include "holder.h"

#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "../domain/clock.h"
#include "../domain/error.h"
#include "host.h"

namespace tlshub::holder {
namespace {

constexpr uint64_t kMs = 1000000;
// A word that a flow has been decided may be lost, since its sender does not wait for us.
constexpr uint64_t kLookAgainNs = 250 * kMs;
constexpr uint64_t kRememberNs = 2000 * kMs;
constexpr size_t kRemembered = 8192;
// One cgroup must not take all places.
constexpr Limits kLimits = {TLSHUB_MAX_HELD, TLSHUB_MAX_HELD / 4, kRemembered, kRememberNs, kLookAgainNs};
// Without agent and guardian nothing is decided any more; they may be on their way back.
constexpr uint64_t kAloneNs = 10000 * kMs;
// How long those who sleep by us may go on when a later holder has taken over.
constexpr uint64_t kHandoverNs = 2000 * kMs;
// An anchor that ends sooner is not replaced at once: whatever ends it would end the next as fast.
constexpr uint64_t kShortLifeNs = 1000 * kMs;
// The lease is renewed at least that often in its time.
constexpr uint64_t kRenewals = 5;
// But a later holder, or an anchor that is to be replaced, is not left waiting for a long lease.
constexpr uint64_t kLookAroundNs = 500 * kMs;
// Requests until the rest is looked after again.
constexpr int kRequestsAtOnce = 256;
// FUSE_MIN_READ_BUFFER, and more than any request to a file system that takes no data.
constexpr size_t kRequestBytes = 16384;

template <typename... Values>
void say(const char* format, Values... values) {
  std::fprintf(stderr, "tlshub-holder: ");
  std::fprintf(stderr, format, values...);
  std::fputc('\n', stderr);
}

}  // namespace

Holder::Holder(Parts parts)
    : parts_(std::move(parts)),
      fileSystem_(std::move(parts_.program)),
      parked_(kLimits, parts_.seed),
      publication_(parts_.maps.leases(), static_cast<uint32_t>(getpid()), ownStartBoottime(), parts_.leaseNs),
      aliveNs_(monotonicNs()) {}

void Holder::run() {
  while (!ended_) {
    const uint64_t nowNs = monotonicNs();
    if (nowNs >= nextLookNs_) lookAround(nowNs);
    if (ended_) break;
    waitForSomething();
    parked_.due(monotonicNs(), [this](const Asking& asking) { answerWoken(asking); });
  }
}

void Holder::waitForSomething() {
  enum { kDevice, kWakes, kSignals, kExecution, kProcess, kAll };
  pollfd polled[kAll] = {};
  const int fds[kAll] = {parts_.device.get(), parts_.wakes.get(), parts_.signals.get(), anchor_.execution(),
                         anchor_.process()};
  for (int i = 0; i < kAll; i++) polled[i] = {fds[i], POLLIN, 0};
  const uint64_t nowNs = monotonicNs(), nextNs = std::max(nowNs, std::min(parked_.nextNs(), nextLookNs_));
  const timespec timeout = {static_cast<time_t>((nextNs - nowNs) / 1000000000),
                            static_cast<long>((nextNs - nowNs) % 1000000000)};
  if (ppoll(polled, kAll, &timeout, nullptr) < 0) {
    if (errno == EINTR) return;
    throw SysError("ppoll", "cannot wait");
  }
  if (polled[kSignals].revents) return end("ends as it is told to");
  if (polled[kWakes].revents) takeWakes();
  if (polled[kDevice].revents) serveRequests();
  if (polled[kProcess].revents)
    replaceAnchor();
  else if (polled[kExecution].revents)
    useAnchor();
}

void Holder::serveRequests() {
  alignas(fuse_in_header) static char buffer[kRequestBytes];
  for (int i = 0; i < kRequestsAtOnce; i++) {
    const ssize_t bytes = read(parts_.device.get(), buffer, sizeof(buffer));
    if (bytes >= 0) {
      if (const auto request = parseRequest(buffer, static_cast<size_t>(bytes))) serve(*request);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR && errno != ENOENT) {  // ENOENT: a signal has taken it back in this moment
      throw SysError("read", "/dev/fuse");           // ENODEV: somebody has aborted the connection
    }
  }
}

void Holder::serve(const Request& request) {
  const auto attribute = askedAttribute(request);
  if (attribute && attribute->name == kHoldAttribute) return putToSleep(request, *attribute);
  if (const auto unique = interruptedRequest(request)) {
    if (parked_.interrupt(*unique, monotonicNs())) answer(Answer(*unique, -EINTR));
    return;
  }
  if (const auto reply = fileSystem_.answer(request)) answer(*reply);
}

// What the thread is to sleep for is what BPF has noted, whoever asks.
void Holder::putToSleep(const Request& request, const Attribute& attribute) {
  const uint64_t unique = request.head.unique;
  const uint32_t tid = request.head.pid;
  const auto sleeper = parts_.maps.sleeper(tid);
  if (!sleeper) return answer(lookAgain(unique, attribute.room));
  const Asking asking = {unique, tid, sleeper->cookie, sleeper->cgroup, sleeper->until_ns, attribute.room};
  // Who looks again is not parked for a moment, and is there all the same.
  aliveNs_ = std::max(aliveNs_, monotonicNs());
  switch (parked_.park(asking, monotonicNs())) {
    case Parking::kParked:
      return;
    case Parking::kAnswerNow:
      return answer(lookAgain(unique, attribute.room));
    case Parking::kNoRoom:
      return answer(Answer(unique, -ENOSPC));
  }
}

void Holder::takeWakes() {
  const ssize_t bytes =
      read(parts_.wakes.get(), wakeBuffer_.data() + wakeBytes_, wakeBuffer_.size() - wakeBytes_);
  if (bytes <= 0) {
    // Its writer is gone. Everybody looks again now and then.
    if (bytes == 0 || (errno != EAGAIN && errno != EINTR)) parts_.wakes.reset();
    return;
  }
  wakeBytes_ += static_cast<size_t>(bytes);
  size_t at = 0;
  for (uint64_t cookie; wakeBytes_ - at >= sizeof(cookie); at += sizeof(cookie)) {
    std::memcpy(&cookie, wakeBuffer_.data() + at, sizeof(cookie));
    parked_.wake(cookie, monotonicNs(), [this](const Asking& asking) { answerWoken(asking); });
  }
  wakeBytes_ -= at;
  std::memmove(wakeBuffer_.data(), wakeBuffer_.data() + at, wakeBytes_);
}

void Holder::answerWoken(const Asking& asking) {
  answer(lookAgain(asking.unique, asking.room));
}

void Holder::answer(const Answer& answer) {
  const iovec parts[] = {{const_cast<fuse_out_header*>(&answer.head()), sizeof(answer.head())},
                         {const_cast<void*>(answer.data()), answer.bytes()}};
  // ENOENT: who asked has not waited. Any other failure would leave somebody asleep: then all are woken by our end.
  if (writev(parts_.device.get(), parts, answer.bytes() ? 2 : 1) < 0 && errno != ENOENT)
    throw SysError("writev", "/dev/fuse");
}

void Holder::useAnchor() {
  anchor_.seeExecution();
  if (!anchor_.runsFile()) return;
  const auto pid = static_cast<uint32_t>(anchor_.pid());
  if (published_) return publication_.offer(pid);
  publication_.begin(pid, monotonicNs());
  published_ = true;
}

void Holder::replaceAnchor() {
  say("the anchor %d has ended", anchor_.pid());
  publication_.withdraw(static_cast<uint32_t>(anchor_.pid()));
  anchor_.bury();
  if (monotonicNs() - anchorBegunNs_ >= kShortLifeNs) nextLookNs_ = 0;
}

void Holder::lookAround(uint64_t nowNs) {
  nextLookNs_ = nowNs + std::min(parts_.leaseNs / kRenewals, kLookAroundNs);
  if (published_ && !supersededNs_ && !publication_.renew(nowNs)) {
    say("another holder is there");
    supersededNs_ = nowNs;
  }
  if (!anchor_.pid() && !supersededNs_) {
    anchor_ = Anchor(parts_.root.get(), parts_.device.get());
    anchorBegunNs_ = nowNs;
  }
  const tlshub_leases* leases = parts_.maps.leases();
  aliveNs_ =
      std::max({aliveNs_, static_cast<uint64_t>(__atomic_load_n(&leases->agent_until_ns, __ATOMIC_ACQUIRE)),
                static_cast<uint64_t>(__atomic_load_n(&leases->guardian_until_ns, __ATOMIC_ACQUIRE))});
  const bool nobody = parked_.size() == 0;
  if (supersededNs_ && (nobody || nowNs - supersededNs_ >= kHandoverNs))
    end("has handed over");
  else if (nobody && nowNs > aliveNs_ && nowNs - aliveNs_ >= kAloneNs)
    end("has been alone for 10 s");
}

void Holder::end(const char* why) {
  say("%s", why);
  ended_ = true;
}

}  // namespace tlshub::holder
