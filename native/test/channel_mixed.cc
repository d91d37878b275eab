// SPDX-License-Identifier: Apache-2.0
// A session of this library with one of the other: the other test program, started as a peer on its end of a socket pair.
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "channel_kit.h"

using namespace kit;

namespace {

constexpr int kPatienceMs = 20000;

void writeText(int fd, const std::string& text) {
  const auto size = static_cast<uint32_t>(text.size());
  std::string all(reinterpret_cast<const char*>(&size), sizeof size);
  all += text;
  for (size_t at = 0; at < all.size();) {
    const ssize_t put = send(fd, all.data() + at, all.size() - at, MSG_NOSIGNAL);
    if (put <= 0) return;
    at += static_cast<size_t>(put);
  }
}

std::string readBytes(int fd, size_t size) {
  std::string bytes;
  while (bytes.size() < size) {
    pollfd waiting{fd, POLLIN, 0};
    char buffer[4096];
    const ssize_t got = poll(&waiting, 1, kPatienceMs) == 1
                            ? read(fd, buffer, std::min(sizeof buffer, size - bytes.size()))
                            : 0;
    if (got <= 0) return std::string();
    bytes.append(buffer, static_cast<size_t>(got));
  }
  return bytes;
}

std::string readText(int fd) {
  const std::string size = readBytes(fd, sizeof(uint32_t));
  return size.empty() ? "" : readBytes(fd, *reinterpret_cast<const uint32_t*>(size.data()));
}

std::string factsOf(const End& end) {
  std::ostringstream facts;
  for (const char c : end.secretBytes()) facts << std::hex << (static_cast<unsigned>(c) & 0xff) << '.';
  facts << ' ' << std::dec << end.session.cipher() << ' ' << end.session.group() << ' '
        << end.session.openerName() << ' ' << end.session.listenerName() << ' ' << end.session.epoch();
  return facts.str();
}

// Goes on by the real clock until `done`, or the session has ended.
void run(End& end, int fd, const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (!done() && !end.ended && End::now < until) {
    pollfd waiting{fd, POLLIN, 0};
    poll(&waiting, 1, 50);
    End::now = std::chrono::steady_clock::now();
    end.step();
  }
}

// arguments: SIDE SOCKET CONTROL. Told its credentials over CONTROL; says there what it has when the epoch is open, and at the end how it was.
int peer(char** arguments) {
  const Side side = std::string(arguments[0]) == "opener" ? Side::kOpener : Side::kListener;
  const int fd = atoi(arguments[1]), control = atoi(arguments[2]);
  const std::string ca = readText(control);
  Identity its;
  its.certPem = readText(control);
  its.keyPem = readText(control);
  End end(channelContext(its, ca), side == Side::kOpener ? openerTerms(fd) : listenerTerms(fd));
  run(end, fd, [&] { return end.session.isOpen(); });
  writeText(control, end.session.isOpen() ? factsOf(end) : "no epoch");
  run(end, fd, [] { return false; });
  writeText(control, eventsOf(end) + " | " + describe(end));
  return 0;
}
const Program program("channel-peer", peer);

struct Other {
  Other(Side side, const Identity& identity) {
    char self[PATH_MAX] = {};
    if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0) std::abort();
    const std::string path(self);
    const std::string file =
        path.substr(0, path.rfind('/') + 1) + (kBoringSsl ? "channel_test" : "channel_boringssl_test");
    int control[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, control) != 0) std::abort();
    child = fork();
    if (child == 0) {
      const int theirs = dup(sockets.fd[1]);  // without close-on-exec
      execl(file.c_str(), file.c_str(), "--channel-peer", side == Side::kOpener ? "opener" : "listener",
            std::to_string(theirs).c_str(), std::to_string(control[1]).c_str(), nullptr);
      std::fprintf(stderr, "%s: it is built beside this one\n", file.c_str());
      _exit(1);
    }
    ::close(control[1]);
    ::close(std::exchange(sockets.fd[1], -1));
    fd = control[0];
    for (const std::string& text : {labCa().pem(), identity.certPem, identity.keyPem}) writeText(fd, text);
  }
  ~Other() {
    ::close(fd);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }

  SocketPair sockets;
  pid_t child;
  int fd;
};

}  // namespace

TEST(
    "with the other library, in both directions: the same secret, names, cipher and group; numbers and an "
    "end") {
  for (const Side side : {Side::kOpener, Side::kListener}) {  // ours
    End::now = std::chrono::steady_clock::now();
    Other other(side == Side::kOpener ? Side::kListener : Side::kOpener,
                identityOf(side == Side::kOpener ? "b" : "a"));
    const int fd = other.sockets.fd[0];
    End end(channelContext(side == Side::kOpener ? "a" : "b"),
            side == Side::kOpener ? openerTerms(fd) : listenerTerms(fd));
    run(end, fd, [&] { return end.session.isOpen(); });
    EXPECT_EQ(eventsOf(end), "open");
    const std::string facts = readText(other.fd);
    EXPECT_EQ(facts, factsOf(end));
    EXPECT_HAS(facts, " X25519 a b 658188");
    end->numberTaken(513);
    end.step();
    end->close(Close::kReplaced, End::now);
    run(end, fd, [] { return false; });
    EXPECT_EQ(describe(end), "in order: this agent closed the epoch: another one has taken its place");
    EXPECT_EQ(readText(other.fd),
              "open numberTaken(513) closing(2) | in order: the peer closed the epoch: another one has "
              "taken its place");
  }
}

TEST("with the other library: a wrong name is refused, and each says so") {
  for (const Side side : {Side::kOpener, Side::kListener}) {  // ours, with the wrong name
    End::now = std::chrono::steady_clock::now();
    Other other(side == Side::kOpener ? Side::kListener : Side::kOpener,
                identityOf(side == Side::kOpener ? "b" : "a"));
    const int fd = other.sockets.fd[0];
    End end(channelContext("stranger"), side == Side::kOpener ? openerTerms(fd) : listenerTerms(fd));
    run(end, fd, [] { return false; });
    // A server of OpenSSL's client gets its alert in the clear, which BoringSSL's reads nevertheless.
    EXPECT_HAS(describe(end),
               "TLSHUB_PEER_REFUSED_US: the peer refused our certificate: alert bad_certificate");
    EXPECT_EQ(readText(other.fd), "no epoch");
    EXPECT_HAS(readText(other.fd), "TLSHUB_PEER_CERTIFICATE: peer certificate names [stranger]");
  }
}
