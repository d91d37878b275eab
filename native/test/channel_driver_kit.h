/* SPDX-License-Identifier: Apache-2.0 */
// Drivers of channels over loopback, for tests.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <random>

#include "../domain/channel/driver.h"
#include "../domain/error.h"
#include "channel_kit.h"

namespace kit {

using ChannelDriver = tlshub::channel::Driver;
using tlshub::Fd;
using tlshub::channel::DriverTimes;
using tlshub::channel::HalfOpenLimits;
using tlshub::channel::News;
using tlshub::channel::Source;

constexpr std::chrono::milliseconds kMs{1};

inline Source loopback(uint8_t last = 1) {
  Source source{};
  source[10] = source[11] = 0xff;
  source[12] = 127;
  source[15] = last;
  return source;
}

// An agent: a driver, and what its owner heard.
struct Agent {
  explicit Agent(const std::string& name, const DriverTimes& times = {}, const HalfOpenLimits& limits = {})
      : Agent(name, channelContext(name), times, limits) {}
  Agent(const std::string& name, const ContextPtr& context, const DriverTimes& times = {},
        const HalfOpenLimits& limits = {})
      : driver(
            context, name, [this](News&& news) { hear(std::move(news)); }, times, limits) {
    driver.setNodes({"a", "b", "node-c"}, {loopback()});
  }

  void hear(News&& news) {
    if (news.what == News::kProposed && decides) driver.accept(news.id);
    if (news.what == News::kOpen) open++;
    if (news.what == News::kEnded) ended++;
    heard.push_back(std::move(news));
  }
  const News* last(News::What what) const {
    const News* found = nullptr;
    for (const News& news : heard) {
      if (news.what == what) found = &news;
    }
    return found;
  }
  std::string ending() const {
    const News* const news = last(News::kEnded);
    return news == nullptr ? "not ended"
                           : (news->code.empty() ? "in order" : news->code) + ": " + news->reason;
  }
  uint64_t openTo(uint16_t port, const std::string& node = "b", uint32_t epoch = kEpoch,
                  const std::string& host = "127.0.0.1") {
    return driver.open({{host, port}, node, epoch});
  }

  bool decides = true;
  size_t open = 0, ended = 0;
  std::deque<News> heard;  // what is pointed to in it stays where it is
  ChannelDriver driver;
};

// Goes on with all of them, by what their epoll sets say, until `done` or a minute has passed, which is reported.
inline void run(std::initializer_list<Agent*> agents, const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (std::chrono::steady_clock::now() > until)
      return report(__FILE__, __LINE__, "nothing happened for a minute");
    std::vector<pollfd> waiting;
    for (Agent* const agent : agents) waiting.push_back({agent->driver.pollFd(), POLLIN, 0});
    ::poll(waiting.data(), waiting.size(), 50);
    for (Agent* const agent : agents) agent->driver.poll();
  }
}

inline void runFor(std::initializer_list<Agent*> agents, std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  run(agents, [&] { return std::chrono::steady_clock::now() > until; });
}

// How often the driver has something to do within this time.
inline int wakeUps(Agent& agent, std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  int count = 0;
  while (std::chrono::steady_clock::now() < until) {
    pollfd waiting{agent.driver.pollFd(), POLLIN, 0};
    if (::poll(&waiting, 1, 10) == 1) count++;
    agent.driver.poll();
  }
  return count;
}

// Somebody who connects and says nothing; from 127.0.0.`last`.
inline Fd silent(uint16_t port, uint8_t last) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x7f000000u + last);
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  return fd;
}

inline std::string bytesOf(const News& news) {
  return news.secret
             ? std::string(reinterpret_cast<const char*>(news.secret->bytes), sizeof news.secret->bytes)
             : "";
}

// A port where nothing listens.
inline uint16_t deafPort() {
  const Fd listener = tlshub::channel::listenAt({"127.0.0.1", 0});
  return tlshub::channel::portOf(listener.get());
}

}  // namespace kit
