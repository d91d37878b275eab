// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>

namespace tlshub::load {

namespace {

constexpr int kBudget = 32;
constexpr int kAcceptsPerTurn = 64;
// Cut by the kernel to net.core.somaxconn.
constexpr int kBacklog = 65535;
constexpr size_t kScratchBytes = 256 << 10;

}  // namespace

Server::Server(const ServerOptions& options) : options_(options), scratch_(kScratchBytes) {
  listener_.reset(socket(options.listen.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int one = 1;
  if (!listener_ || setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
    throw SysError("socket", "no socket to listen on");
  if (bind(listener_.get(), options.listen.get(), options.listen.length))
    throw SysError("bind", "cannot listen on this address and port");
  if (::listen(listener_.get(), kBacklog)) throw SysError("listen", "cannot listen on this address and port");
  sockaddr_storage own = {};
  socklen_t length = sizeof(own);
  getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&own), &length);
  port_ = ntohs(reinterpret_cast<sockaddr_in*>(&own)->sin_port);  // IPv6: at the same place
  listen(true);
}

void Server::listen(bool on) {
  if (on == listening_) return;
  if (on) {
    watch(listener_.get(), kListenerTag, EPOLLIN);
  } else {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
  }
  listening_ = on;
}

bool Server::done() const {
  const bool over = stopping() || (options_.connections != 0 && begun() >= options_.connections);
  return over && connections_.size() == 0;
}

Nanoseconds Server::turn(Nanoseconds now) {
  if (options_.duration != 0 && !stopping() && now - startedAt() >= options_.duration) stop(0);
  if (listener_ && (stopping() || (options_.connections != 0 && begun() >= options_.connections))) {
    listen(false);
    listener_.reset();
  }
  for (size_t i = again_.size(); i > 0; i--) {
    const uint64_t tag = again_.front();
    again_.pop_front();
    if (Connection* connection = connections_.find(tag)) {
      connection->queued = false;
      drive(tag, *connection);
    }
  }
  if (!again_.empty()) return now;
  return options_.duration == 0 ? kNever : std::max(startedAt() + options_.duration, now);
}

void Server::interrupt() {
  connections_.forEach([this](uint64_t tag, Connection& connection) { end(tag, connection, kInterrupted); });
}

void Server::accept() {
  for (int i = 0; i < kAcceptsPerTurn; i++) {
    if (options_.connections != 0 && begun() >= options_.connections) return;
    sockaddr_storage peer = {};
    socklen_t length = sizeof(peer);
    Fd fd(
        accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EMFILE || errno == ENFILE) {
        // They wait in the backlog until a connection ends.
        waits_.fetch_add(1, std::memory_order_relaxed);
        listen(false);
        return;
      }
      if (errno == EAGAIN) return;
      continue;  // the connection had ended in the backlog
    }
    const int one = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    auto [tag, connection] = connections_.add();
    open_.store(static_cast<uint32_t>(connections_.size()), std::memory_order_relaxed);
    connection->fd = std::move(fd);
    connection->begun = now();
    connection->record.id = begun_.fetch_add(1, std::memory_order_relaxed) + 1;
    connection->record.begun = connection->begun - startedAt();
    connection->record.firstByte = connection->record.lastByte = -1;
    connection->record.localPort = port_;
    connection->record.peerPort = ntohs(reinterpret_cast<sockaddr_in*>(&peer)->sin_port);
    watch(connection->fd.get(), tag, kConnectionEvents);
  }
}

void Server::event(uint64_t tag, uint32_t events) {
  if (tag == kListenerTag) return accept();
  Connection* connection = connections_.find(tag);
  if (connection == nullptr) return;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) connection->readable = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) connection->writable = true;
  drive(tag, *connection);
}

bool Server::flush(Connection& connection, const uint8_t* bytes, size_t length, size_t& done,
                   int32_t& failure) {
  while (done < length) {
    const ssize_t sent = send(connection.fd.get(), bytes + done, length - done, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        connection.writable = false;
      } else {
        failure = errno;
      }
      return false;
    }
    done += static_cast<size_t>(sent);
    connection.record.sent += static_cast<uint64_t>(sent);
    connection.record.lastByte = now() - connection.begun;
  }
  return true;
}

void Server::drive(uint64_t tag, Connection& connection) {
  int32_t failure = 0;
  for (int budget = kBudget; budget > 0; budget--) {
    if (!connection.pending.empty()) {
      if (!connection.writable) return;
      if (!flush(connection, connection.pending.data(), connection.pending.size(), connection.pendingAt,
                 failure)) {
        if (failure != 0) end(tag, connection, failure);
        return;
      }
      connection.pending = {};
      connection.pendingAt = 0;
    }
    if (!connection.readable) return;
    const ssize_t got = recv(connection.fd.get(), scratch_.data(), scratch_.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return end(tag, connection, errno);
      connection.readable = false;
      return;
    }
    if (got == 0) return end(tag, connection, kNone);
    connection.record.received += static_cast<uint64_t>(got);
    connection.record.lastByte = now() - connection.begun;
    if (connection.record.firstByte < 0) connection.record.firstByte = connection.record.lastByte;
    size_t done = 0;
    if (!flush(connection, scratch_.data(), static_cast<size_t>(got), done, failure)) {
      if (failure != 0) return end(tag, connection, failure);
      connection.pending.assign(scratch_.begin() + static_cast<ptrdiff_t>(done), scratch_.begin() + got);
    }
  }
  if (!connection.queued) {
    connection.queued = true;
    again_.push_back(tag);
  }
}

void Server::end(uint64_t tag, Connection& connection, int32_t failure) {
  connection.record.failure = failure;
  outbox_.connection(connection.record);
  connections_.remove(tag);
  open_.store(static_cast<uint32_t>(connections_.size()), std::memory_order_relaxed);
  if (listener_ && !stopping()) listen(true);
}

}  // namespace tlshub::load
