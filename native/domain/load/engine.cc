// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace tlshub::load {

namespace {

constexpr int kBatch = 256;
constexpr Nanoseconds kLongestSleep = 1000000000;

}  // namespace

Address Address::from(const std::string& ip, uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.length = sizeof(*v4);
  } else if (inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.length = sizeof(*v6);
  } else {
    throw CodedError("TLSHUB_ADDRESS", "'" + ip + "' is no IPv4 or IPv6 address");
  }
  return address;
}

bool Address::isLoopback4() const {
  return family() == AF_INET &&
         ntohl(reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr.s_addr) >> 24 == 127;
}

Engine::Engine()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (!epoll_ || !wake_ || !timer_) throw SysError("epoll_create1", "no event loop");
  watch(wake_.get(), kWakeTag, EPOLLIN);
  watch(timer_.get(), kTimerTag, EPOLLIN | EPOLLET);
}

Nanoseconds Engine::now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

Nanoseconds Engine::elapsed() const {
  const Nanoseconds ended = endedAt_.load(std::memory_order_acquire);
  return (ended == 0 ? now() : ended) - startedAt_;
}

void Engine::watch(int fd, uint64_t tag, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event))
    throw SysError("epoll_ctl", "cannot watch a socket");
}

void Engine::start() {
  startedAt_ = now();
  thread_ = std::thread([this] { run(); });
}

void Engine::stop(Nanoseconds grace) {
  const Nanoseconds at = now() + grace;
  if (at < stopAt_.load()) stopAt_.store(at);
  const uint64_t one = 1;
  // A counter that is full wakes as well.
  if (write(wake_.get(), &one, sizeof(one)) < 0) return;
}

void Engine::join() {
  outbox_.abandon();
  stop(0);
  if (thread_.joinable()) thread_.join();
}

void Engine::run() {
  try {
    loop();
  } catch (const std::exception& error) {
    error_ = error.what();
  }
  endedAt_.store(now(), std::memory_order_release);
  finished_.store(true, std::memory_order_release);
}

void Engine::loop() {
  std::array<epoll_event, kBatch> events;
  while (true) {
    const Nanoseconds begin = now();
    const Nanoseconds stopAt = stopAt_.load(std::memory_order_relaxed);
    if (begin >= stopAt) interrupt();
    const Nanoseconds next = std::min({turn(begin), stopAt, begin + kLongestSleep});
    if (done()) return;
    // epoll's own timeout counts in milliseconds, a schedule does not.
    const Nanoseconds left = std::max<Nanoseconds>(next - now(), 0);
    if (left > 0) {
      itimerspec when = {};
      when.it_value.tv_sec = left / 1000000000;
      when.it_value.tv_nsec = left % 1000000000;
      timerfd_settime(timer_.get(), 0, &when, nullptr);
    }
    const int count = epoll_wait(epoll_.get(), events.data(), kBatch, left > 0 ? -1 : 0);
    if (count < 0 && errno != EINTR) throw SysError("epoll_wait", "the event loop failed");
    for (int i = 0; i < count; i++) {
      const epoll_event& one = events[static_cast<size_t>(i)];
      if (one.data.u64 == kWakeTag) {
        uint64_t value = 0;
        if (read(wake_.get(), &value, sizeof(value)) < 0 && errno != EAGAIN)
          throw SysError("read", "the event loop failed");
      } else if (one.data.u64 != kTimerTag) {
        event(one.data.u64, one.events);
      }
    }
  }
}

}  // namespace tlshub::load
