// SPDX-License-Identifier: Apache-2.0
// Sockets that helpers hand back when nobody waits for them any more, or that there is no helper for: their close may wait for the program,
// so a helper makes it, and never the thread of the pool.
#include <sys/mman.h>

#include <atomic>

#include "handshake_helpers.h"

using namespace kit;

namespace {

// In milliseconds: its answer comes after so many.
constexpr uint64_t kSlowly = 1000;
// Says something that is no answer, with a socket, and an answer behind it, with another one; and does not come back.
constexpr uint64_t kBabbling = 666;
constexpr uint64_t kStuck = 667;

int ownChannel = -1;

// Which sockets helpers have closed by kClose. For all processes.
struct Seen {
  std::atomic<int> next, count;
  ino_t inodes[64];
};
Seen* const seen = static_cast<Seen*>(
    mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

ino_t inodeOf(int fd) {
  struct stat about = {};
  return fstat(fd, &about) ? 0 : about.st_ino;
}

bool wasClosed(ino_t inode) {
  for (int i = 0; i < seen->count; i++)
    if (seen->inodes[i] == inode) return true;
  return false;
}

Served serveLate(const Received& task, Fd& socket) {
  const tlshub::helper::Request& request = task.request;
  if (request.task == Task::kClose && socket) {
    seen->inodes[seen->next++] = inodeOf(socket.get());
    seen->count++;
    socket.reset();
  }
  if (request.cookie == kBabbling) {
    const Answer answer = {};
    sendMessage(ownChannel, "?", 1, nullptr, 0, socket.get(), 0);
    Fd other(static_cast<int>(dup(socket.get())));
    sendMessage(ownChannel, &answer, sizeof(answer), nullptr, 0, other.get(), 0);
    other.reset();
    socket.reset();
  }
  if (request.cookie == kBabbling || request.cookie == kStuck)
    for (;;) pause();
  if (request.cookie) usleep(static_cast<useconds_t>(request.cookie * 1000));
  return {};
}

// A connection whose one end is only in the hands of who calls.
struct Half {
  Half() : inode(inodeOf(tcp.active->fd())) {
    fd = fcntl(tcp.active->fd(), F_DUPFD_CLOEXEC, 600);
    tcp.active.reset();
  }
  // Has the other end been closed, in every process?
  bool ended() const {
    char byte;
    return recv(tcp.passive->fd(), &byte, 1, MSG_DONTWAIT) == 0;
  }
  Tcp tcp;
  ino_t inode;
  int fd;
};

}  // namespace

TEST("an answer that is there when the pool looks late is an answer, and nobody stays charged") {
  Parent parent(serveLate, &ownChannel);
  Helpers helpers(parent.fd(), quick());
  Half half;
  std::string code = "none";
  Job slow = job(kSlowly, 1);
  slow.fd = half.fd;
  until(helpers, [&] { return helpers.figures().idle == 4; });
  // Now epoll has none of their channels among those that are to be looked at: the timer will be the first.
  for (int i = 0; i < 3; i++) helpers.poll();
  helpers.submit(std::move(slow), [&](const Answer& answer, const std::string&, Fd) { code = answer.code; });
  usleep(1500 * 1000);
  until(helpers, [&] { return code != "none"; });
  EXPECT_EQ(code, "");
  EXPECT(isSocket(half.fd));
  EXPECT_EQ(inodeOf(half.fd), half.inode);
  until(helpers, [&] { return helpers.figures().lost == 0; });
  EXPECT_EQ(helpers.figures().lostEver, 0u);
  ::close(half.fd);
}

TEST("sockets that come from a helper that is given up are closed by another one") {
  Parent parent(serveLate, &ownChannel);
  Helpers helpers(parent.fd(), quick());
  Half half;
  const int before = seen->count;
  std::string code;
  Job babbling = job(kBabbling, 1);
  babbling.fd = half.fd;
  helpers.submit(std::move(babbling),
                 [&](const Answer& answer, const std::string&, Fd) { code = answer.code; });
  until(helpers, [&] { return seen->count == before + 2 && helpers.figures().lost == 0; });
  EXPECT_EQ(code, "TLSHUB_HELPER_LOST");
  EXPECT(wasClosed(half.inode));
  EXPECT(!isSocket(half.fd));
  until(helpers, [&] { return half.ended() && helpers.inFlight() == 0; });
  ::close(half.fd);
}

TEST(
    "a task for which no helper is alive any more waits for the next one, and its descriptor is not left "
    "behind") {
  Parent parent(serveLate, &ownChannel);
  Limits limits;
  limits.ready = 1;
  Helpers helpers(parent.fd(), limits);
  until(helpers, [&] { return helpers.figures().idle == 1; });
  // It dies while it is idle, and the pool has not heard of that.
  parent.killHelpers();
  Half half;
  const int before = seen->count;
  std::string code = "none";
  Job last = job(0, 1, Task::kClose);
  last.fd = half.fd;
  helpers.submit(std::move(last), [&](const Answer& answer, const std::string&, Fd) { code = answer.code; });
  until(helpers, [&] { return code != "none"; });
  EXPECT_EQ(code, "");
  EXPECT_EQ(seen->count, before + 1);
  EXPECT(wasClosed(half.inode));
  EXPECT(fcntl(half.fd, F_GETFD) < 0);
  EXPECT_EQ(helpers.figures().lostEver, 0u);
}

TEST(
    "a pool that is closed leaves no descriptor of a last task, and no socket of an answer that it has not "
    "read") {
  Parent parent(serveLate, &ownChannel);
  Limits limits;
  limits.lostMs = 60000;
  Helpers helpers(parent.fd(), limits);
  int failed = 0;
  const auto count = [&](const Answer& answer, const std::string&, Fd) { failed += answer.failed; };
  for (int i = 0; i < 2; i++) helpers.submit(job(kStuck, 1, Task::kHas), count);
  // Before there is a third helper its answer could be here while one of these two still waits for his.
  until(helpers, [&] { return helpers.figures().busy == 2 && helpers.figures().idle > 0; });
  Half exchanged;
  Job unread = job(1, 2);
  unread.fd = exchanged.fd;
  helpers.submit(std::move(unread), count);
  EXPECT_EQ(helpers.figures().busy, 3u);
  std::vector<std::unique_ptr<Half>> waiting;
  for (int i = 0; i < 40; i++) {
    Job last = job(0, 1, Task::kClose);
    waiting.push_back(std::make_unique<Half>());
    last.fd = waiting.back()->fd;
    helpers.submit(std::move(last), count);
  }
  usleep(200000);
  helpers.close();
  EXPECT_EQ(failed, 43);
  Half late;
  Job last = job(0, 1, Task::kClose);
  last.fd = late.fd;
  helpers.submit(std::move(last), count);
  for (const auto& half : waiting) EXPECT(fcntl(half->fd, F_GETFD) < 0);
  EXPECT(fcntl(late.fd, F_GETFD) < 0);
  const auto all = [&] {
    for (const auto& half : waiting)
      if (!half->ended()) return false;
    return exchanged.ended() && late.ended();
  };
  for (int i = 0; i < 20000 && !all(); i++) usleep(500);
  EXPECT(all());
  ::close(exchanged.fd);
}
