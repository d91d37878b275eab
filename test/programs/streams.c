// SPDX-License-Identifier: Apache-2.0
/*
 * Many connections that move data until they are told to finish, and check every byte.
 *
 *   streams serve PORT               sends back what it reads, all connections at once
 *   streams run HOST PORT COUNT      opens COUNT connections and sends bytes of a sequence of its own over each, comparing what comes back;
 *                                    "moving" when each has moved its first bytes, on SIGUSR1 each sends SHUT_WR and reads to the end
 *
 * At the end: "N right, M wrong, B bytes", and a line with the reason for each wrong one. All non-blocking, level-triggered poll.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 1024
#define CHUNK 1024
#define WINDOW (4 * 1024) /* bytes under way on a connection: keeps all of them moving at the same pace */

static volatile sig_atomic_t finishing;
static void finish(int sig) {
  (void)sig;
  finishing = 1;
}

static void die(const char* what) {
  perror(what);
  exit(1);
}

/* Byte `at` of connection `id`: not compressible, not periodic within what a test moves. */
static uint8_t byte_at(uint32_t id, uint64_t at) {
  uint64_t x = (at / 8 + 1) * 0x9e3779b97f4a7c15ull + id * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  return (uint8_t)(x >> (8 * (at % 8)));
}

static struct stream {
  int fd;
  uint64_t sent, received;
  int half_closed, over;
  char wrong[80];
} streams[MOST];
static struct pollfd polls[MOST + 1];

static void end(struct stream* s, const char* why) {
  if (why) snprintf(s->wrong, sizeof(s->wrong), "%s after %llu bytes", why, (unsigned long long)s->received);
  s->over = 1;
  close(s->fd);
}

static void move(uint32_t id, struct stream* s, short events) {
  uint8_t bytes[CHUNK];
  if (events & (POLLIN | POLLHUP | POLLERR)) {
    ssize_t n = recv(s->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && errno != EAGAIN) return end(s, strerrorname_np(errno));
    if (n == 0) return end(s, s->half_closed && s->received == s->sent ? NULL : "end of file");
    for (ssize_t i = 0; i < n; i++)
      if (bytes[i] != byte_at(id, s->received + (uint64_t)i)) return end(s, "wrong byte");
    if (n > 0) s->received += (uint64_t)n;
  }
  if (finishing && !s->half_closed) {
    if (shutdown(s->fd, SHUT_WR)) return end(s, strerrorname_np(errno));
    s->half_closed = 1;
  }
  if ((events & POLLOUT) && !s->half_closed && s->sent - s->received < WINDOW) {
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = byte_at(id, s->sent + i);
    ssize_t n = send(s->fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return end(s, strerrorname_np(errno));
    if (n > 0) s->sent += (uint64_t)n;
  }
}

static int run(const char* host, int port, uint32_t count) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || count > MOST) return 64;
  struct sigaction action = {.sa_handler = finish};
  sigaction(SIGUSR1, &action, NULL);
  for (uint32_t i = 0; i < count; i++) {
    streams[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (streams[i].fd < 0) die("socket");
    if (connect(streams[i].fd, (struct sockaddr*)&to, sizeof(to)) && errno != EINPROGRESS) die("connect");
  }
  int said = 0;
  for (uint32_t left = count; left > 0;) {
    uint32_t moving = 0;
    left = 0;
    for (uint32_t i = 0; i < count; i++) {
      struct stream* s = &streams[i];
      short wanted = POLLIN;
      if (!s->half_closed && s->sent - s->received < WINDOW) wanted |= POLLOUT;
      polls[i] = (struct pollfd){s->over ? -1 : s->fd, wanted, 0};
      left += !s->over;
      moving += s->over || s->received > 0;
    }
    if (moving == count && !said) {
      puts("moving");
      said = 1;
    }
    /* A pause: the test is about many connections over some time, not about how much they can carry. */
    usleep(100000);
    if (left > 0 && poll(polls, count, 100) < 0 && errno != EINTR) die("poll");
    for (uint32_t i = 0; i < count; i++)
      if (!streams[i].over && (polls[i].revents || finishing)) move(i, &streams[i], polls[i].revents);
  }
  uint32_t right = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; i++) {
    right += !*streams[i].wrong;
    bytes += streams[i].received;
    if (*streams[i].wrong) printf("%u: %s\n", i, streams[i].wrong);
  }
  printf("%u right, %u wrong, %llu bytes\n", right, count - right, (unsigned long long)bytes);
  return right == count ? 0 : 1;
}

static void serve(int port) {
  static uint8_t held[MOST][CHUNK];
  static size_t have[MOST];
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), count = 0;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(listener, (struct sockaddr*)&any, sizeof(any)) || listen(listener, MOST)) die("listen");
  for (;;) {
    polls[MOST] = (struct pollfd){listener, POLLIN, 0};
    for (int i = 0; i < MOST; i++)
      polls[i] = (struct pollfd){i < count ? streams[i].fd : -1, have[i] ? POLLOUT : POLLIN, 0};
    if (poll(polls, MOST + 1, -1) < 0) die("poll");
    for (int i = 0; i < count; i++) {
      int fd = streams[i].fd;
      if (fd < 0 || !polls[i].revents) continue;
      ssize_t n = 0;
      if (!have[i]) {
        n = recv(fd, held[i], CHUNK, 0);
        if (n > 0) have[i] = (size_t)n;
      }
      if (n == 0 && have[i]) n = 1;
      if (n > 0) {
        n = send(fd, held[i], have[i], MSG_NOSIGNAL);
        if (n > 0) memmove(held[i], held[i] + n, have[i] -= (size_t)n);
        if (n == 0) n = -1;
      }
      if (n > 0 || (n < 0 && errno == EAGAIN)) continue;
      close(fd);
      streams[i].fd = -1;
      have[i] = 0;
    }
    int fd = polls[MOST].revents && count < MOST ? accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
                                                 : -1;
    if (fd >= 0) streams[count++].fd = fd;
  }
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc == 3 && !strcmp(argv[1], "serve")) serve(atoi(argv[2]));
  if (argc == 5 && !strcmp(argv[1], "run")) return run(argv[2], atoi(argv[3]), (uint32_t)atoi(argv[4]));
  return 64;
}
