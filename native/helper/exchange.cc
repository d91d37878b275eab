// SPDX-License-Identifier: Apache-2.0
#include "exchange.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "../domain/error.h"
#include "../domain/handshake/socket_options.h"

namespace tlshub::helper {
namespace {

constexpr size_t kHeader = 5;
constexpr unsigned char kChangeCipherSpec =
    20;  // RFC 8446, appendix D.4: may come at any time and means nothing

// Of what lies in the queue: a record of change_cipher_spec or several, and one record behind them, as far as they are whole.
size_t nextRecord(const char* bytes, size_t have) {
  size_t at = 0;
  while (have - at >= kHeader) {
    const auto* header = reinterpret_cast<const unsigned char*>(bytes + at);
    const size_t whole = kHeader + (static_cast<size_t>(header[3]) << 8 | header[4]);
    if (have - at < whole) break;
    at += whole;
    if (header[0] != kChangeCipherSpec) break;
  }
  return at;
}

// What was peeked at, and is there as long as nobody else reads: the gate lets nobody.
size_t discard(int fd, size_t bytes) {
  char sink[16384];
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = recv(fd, sink, std::min(sizeof(sink), bytes - done), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

void put(int fd, const std::string& bytes, Answer& answer) {
  while (answer.sent < bytes.size()) {
    const ssize_t sent =
        send(fd, bytes.data() + answer.sent, bytes.size() - answer.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      answer.sendError = errno;
      return;
    }
    answer.sent += static_cast<uint32_t>(sent);
  }
  if (answer.sent) handshake::pushCorked(fd);
}

}  // namespace

void exchange(int fd, const Exchange& what, const std::string& bytes, Served& served) {
  Answer& answer = served.answer;
  // Put back each time: a helper that is given up has nothing that another one would have to know.
  const handshake::PeekOffset lent(fd);
  if (what.begin) {
    answer.lowWater = handshake::lendLowWater(fd);
    handshake::acknowledgeNow(fd);
  }
  if (discard(fd, what.consume) < what.consume)
    throw SysError("recv", "bytes of the handshake are gone", EPROTO);
  tcp_info info = {};
  socklen_t length = sizeof(info);
  const bool known = !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
  answer.over = known && info.tcpi_state == TCP_CLOSE;
  const bool closed = known && info.tcpi_state == TCP_CLOSE_WAIT;
  // Nobody reads what is sent to a peer that has closed in the middle of its handshake: it would be answered by a reset.
  if (closed && !what.halfOpen && !bytes.empty())
    answer.sendError = EPIPE;
  else
    put(fd, bytes, answer);

  served.bytes.resize(kMostBytes);
  ssize_t got;
  do got = recv(fd, served.bytes.data(), served.bytes.size(), MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL);
  while (got < 0 && errno == EINTR);
  if (got < 0) answer.readError = errno;
  const bool all = got < static_cast<ssize_t>(served.bytes.size());
  served.bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  if (!served.bytes.empty()) answer.first = static_cast<uint8_t>(served.bytes[0]);
  if (what.take)
    answer.taken = static_cast<uint32_t>(discard(fd, nextRecord(served.bytes.data(), served.bytes.size())));
  // Else the acknowledgement could wait for the application, and behind it, under Nagle's algorithm, a server that speaks first.
  if (answer.taken || what.consume) handshake::acknowledgeNow(fd);
  if (what.lowWater > 1) handshake::restoreLowWater(fd, what.lowWater);
  // The end may lie behind bytes. It had come before they were looked at, so there are no more of them.
  answer.ended = got == 0 || (closed && all && got > 0);
}

}  // namespace tlshub::helper
