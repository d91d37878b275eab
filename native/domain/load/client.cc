// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>

#include "pattern.h"

namespace tlshub::load {

namespace {

// System calls for a connection before others have their turn.
constexpr int kBudget = 32;
constexpr int kBeginsPerTurn = 64;
constexpr Nanoseconds kPortWait = 10000000, kLookEvery = 50000000;
// TIME_WAIT lasts 60 s (TCP_TIMEWAIT_LEN of the kernel).
constexpr Nanoseconds kPortPatience = 65000000000;
// The end that was to come, where a Failure is awaited.
constexpr int32_t kAllDone = INT32_MAX;

}  // namespace

Client::Client(ClientOptions options) : options_(std::move(options)), scratch_(kPieceBytes) {}

bool Client::done() const {
  const bool over = stopping() || (options_.connections != 0 && begun() >= options_.connections) ||
                    (options_.duration != 0 && now() - startedAt() >= options_.duration);
  return over && connections_.size() == 0;
}

bool Client::mayBegin(Nanoseconds now) const {
  return !stopping() && connections_.size() < options_.concurrency &&
         (options_.connections == 0 || begun() < options_.connections) &&
         (options_.duration == 0 || now - startedAt() < options_.duration);
}

Nanoseconds Client::turn(Nanoseconds now) {
  Nanoseconds next = kNever;
  for (int i = 0; mayBegin(now); i++) {
    if (i == kBeginsPerTurn) {
      next = now;
      break;
    }
    // Closed loop: a place is free. Open loop: its time has come, whether or not there was a place (the wait for one counts).
    Nanoseconds intended = now;
    if (options_.rate > 0) {
      intended = startedAt() + static_cast<Nanoseconds>(static_cast<double>(begun()) / options_.rate * 1e9);
    }
    const Nanoseconds at = std::max(intended, waitUntil_);
    if (at > now) {
      next = at;
      break;
    }
    if (!open(intended, now)) {
      waitUntil_ = now + kPortWait;
      continue;
    }
    now = Engine::now();
  }
  for (size_t i = again_.size(); i > 0; i--) {
    const uint64_t tag = again_.front();
    again_.pop_front();
    if (Connection* connection = connections_.find(tag)) {
      connection->queued = false;
      drive(tag, *connection);
    }
  }
  if (now >= lookAt_) {
    look(now);
    lookAt_ = now + kLookEvery;
  }
  if (!again_.empty()) return now;
  if (connections_.size() > 0) next = std::min(next, lookAt_);
  // With nothing open, the end of the duration is the end.
  if (options_.duration != 0) next = std::min(next, std::max(startedAt() + options_.duration, now));
  return next;
}

// Timeouts, and connections that have been held for long enough.
void Client::look(Nanoseconds now) {
  connections_.forEach([this, now](uint64_t tag, Connection& connection) {
    if (connection.phase == Phase::kHolding) {
      if (!stopping() && now - connection.moved < options_.hold) return;
      sayGoodbye(connection);
      drive(tag, connection);
    } else if (now - connection.moved >= options_.timeout) {
      end(tag, connection, kTimedOut);
    }
  });
}

void Client::interrupt() {
  connections_.forEach([this](uint64_t tag, Connection& connection) { end(tag, connection, kInterrupted); });
}

bool Client::bindTo(int fd, size_t source) const {
  if (options_.sources.empty()) return true;
  const Address& from = options_.sources[source];
  // The port is chosen by connect(), which knows the peer: one port serves for many peers.
  const int one = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
  return bind(fd, from.get(), from.length) == 0;
}

bool Client::open(Nanoseconds intended, Nanoseconds now) {
  Fd fd;
  int32_t failure = 0;
  const size_t sources = std::max<size_t>(options_.sources.size(), 1);
  for (size_t tried = 0; tried < sources; tried++) {
    fd.reset(socket(options_.target.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    failure = fd ? 0 : errno;
    if (failure != 0) break;
    const int one = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!bindTo(fd.get(), source_) || connect(fd.get(), options_.target.get(), options_.target.length) != 0) {
      failure = errno == EINPROGRESS ? 0 : errno;
    }
    if (failure != EADDRNOTAVAIL) break;
    source_ = (source_ + 1) % sources;
  }
  if (failure == EADDRNOTAVAIL) {
    // All ports lead to the target already, or wait out TIME_WAIT: one becomes free within a minute.
    waits_.fetch_add(1, std::memory_order_relaxed);
    if (shortSince_ == 0) shortSince_ = now;
    if (now - shortSince_ < kPortPatience) return false;
  } else {
    shortSince_ = 0;
  }
  auto [tag, connection] = connections_.add();
  open_.store(static_cast<uint32_t>(connections_.size()), std::memory_order_relaxed);
  connection->record.id = begun_.fetch_add(1, std::memory_order_relaxed) + 1;
  // What the connection's times count from: its place in the schedule.
  connection->begun = connection->requestBegun = intended;
  connection->moved = now;
  connection->record.begun = intended - startedAt();
  connection->record.late = now - intended;
  connection->record.connected = connection->record.firstByte = connection->record.lastByte = -1;
  if (failure != 0) {
    end(tag, *connection, failure);
    return true;
  }
  connection->fd = std::move(fd);
  watch(connection->fd.get(), tag, kConnectionEvents);
  return true;
}

void Client::event(uint64_t tag, uint32_t events) {
  Connection* connection = connections_.find(tag);
  if (connection == nullptr) return;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) connection->readable = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) connection->writable = true;
  drive(tag, *connection);
}

void Client::drive(uint64_t tag, Connection& connection) {
  int32_t failure = 0;
  for (int budget = kBudget; budget > 0; budget--) {
    bool moved = false;
    if (connection.phase == Phase::kConnecting) {
      if (!connection.writable) return;
      int error = 0;
      socklen_t length = sizeof(error);
      getsockopt(connection.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) return end(tag, connection, error);
      sockaddr_storage own = {};
      length = sizeof(own);
      getsockname(connection.fd.get(), reinterpret_cast<sockaddr*>(&own), &length);
      connection.record.localPort =
          ntohs(reinterpret_cast<sockaddr_in*>(&own)->sin_port);  // IPv6: at the same place
      connection.moved = now();
      connection.record.connected = connection.moved - connection.begun;
      connection.phase = Phase::kExchanging;
      moved = true;
    } else {
      if (connection.writable && connection.phase == Phase::kExchanging) moved |= send(connection, failure);
      if (failure == 0 && connection.readable) moved |= receive(connection, failure);
    }
    if (failure != 0) return end(tag, connection, failure == kAllDone ? kNone : failure);
    if (!moved) return;
  }
  if (!connection.queued) {
    connection.queued = true;
    again_.push_back(tag);
  }
}

bool Client::send(Connection& connection, int32_t& failure) {
  const uint64_t left = options_.bytes - connection.requestSent;
  if (left == 0) return false;
  const size_t piece = static_cast<size_t>(std::min<uint64_t>(left, kPieceBytes));
  const uint8_t* bytes = bytesAt(connection.record.id, connection.record.sent);
  const ssize_t sent = ::send(connection.fd.get(), bytes, piece, MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno == EAGAIN) {
      connection.writable = false;
    } else if (errno != EINTR) {
      failure = errno;
    }
    return false;
  }
  connection.requestSent += static_cast<uint64_t>(sent);
  connection.record.sent += static_cast<uint64_t>(sent);
  connection.moved = now();
  return true;
}

bool Client::receive(Connection& connection, int32_t& failure) {
  const ssize_t got = recv(connection.fd.get(), scratch_.data(), scratch_.size(), 0);
  if (got < 0) {
    if (errno == EAGAIN) {
      connection.readable = false;
    } else if (errno != EINTR) {
      failure = errno;
    }
    return false;
  }
  if (got == 0) {
    failure = connection.phase == Phase::kClosing ? kAllDone : kEndedEarly;
    return false;
  }
  const auto count = static_cast<uint64_t>(got);
  connection.moved = now();
  connection.record.lastByte = connection.moved - connection.begun;
  if (connection.record.firstByte < 0) connection.record.firstByte = connection.record.lastByte;
  const uint8_t* expected = bytesAt(connection.record.id, connection.record.received);
  const bool same = memcmp(expected, scratch_.data(), static_cast<size_t>(got)) == 0;
  connection.record.received += count;
  connection.requestReceived += count;
  if (connection.record.received > connection.record.sent) {
    failure = kMoreThanExpected;
  } else if (!same) {
    failure = kContentDiffers;
  } else if (connection.requestReceived == options_.bytes) {
    requestDone(connection);
  }
  return true;
}

void Client::requestDone(Connection& connection) {
  outbox_.request(connection.moved - connection.requestBegun);
  connection.record.requests++;
  if (connection.record.requests < options_.requests && !stopping()) {
    connection.requestSent = connection.requestReceived = 0;
    connection.requestBegun = connection.moved;
  } else if (options_.hold > 0 && !stopping()) {
    connection.phase = Phase::kHolding;
  } else {
    sayGoodbye(connection);
  }
}

// FIN; the peer's is waited for, so that a reset in its place is seen.
void Client::sayGoodbye(Connection& connection) {
  shutdown(connection.fd.get(), SHUT_WR);
  connection.phase = Phase::kClosing;
  connection.moved = now();
}

void Client::end(uint64_t tag, Connection& connection, int32_t failure) {
  connection.record.failure = failure;
  outbox_.connection(connection.record);
  connections_.remove(tag);
  open_.store(static_cast<uint32_t>(connections_.size()), std::memory_order_relaxed);
}

}  // namespace tlshub::load
