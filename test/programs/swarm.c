// SPDX-License-Identifier: Apache-2.0
/*
 * Very many short connections, some at once, with contents that both ends can account for.
 *
 *   swarm serve BLOCKING_PORT WAITING_PORT PROCESSES
 *       the first port: that many processes, each accepts and serves one connection after the other, all calls block;
 *       the second: one process, non-blocking, level-triggered epoll, all connections at once
 *   swarm run HOST BLOCKING_PORT WAITING_PORT COUNT AT_ONCE
 *       COUNT connections, to the two ports in turns: half of them by AT_ONCE / 2 processes whose calls block, one after the other in each,
 *       half by one process with AT_ONCE - AT_ONCE / 2 of them at once, non-blocking
 *
 * The client sends a request and shuts its side down; the server reads it to its end, sends an answer and closes. Both are bytes of a
 * sequence that the connection's number (the request's first four bytes) begins; the answer's is another. For each connection that ended
 * well a line on standard output: NUMBER, SHA-256 of what was sent, SHA-256 of what was read; else NUMBER, CALL and the error's name.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST 2000
#define ANSWER 20000 /* more than one TLS record */
#define MOST 256     /* connections at once in the process that waits for all */

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void fill(uint8_t* out, size_t length, uint32_t number, uint64_t salt) {
  uint64_t state = number + salt;
  for (size_t at = 0; at < length; at += 8) {
    uint64_t x = state += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    x ^= x >> 31;
    memcpy(out + at, &x, length - at < 8 ? length - at : 8);
  }
}

static void request_of(uint32_t number, uint8_t* out) {
  fill(out, REQUEST, number, 0);
  memcpy(out, &number, sizeof(number));
}

static void answer_of(uint32_t number, uint8_t* out) {
  fill(out, ANSWER, number, 1ull << 40);
}

static char* hex(const uint8_t* bytes, size_t length, char* out) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(bytes, length, digest);
  for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) sprintf(out + 2 * i, "%02x", digest[i]);
  return out;
}

/* One write: lines of several processes must not mix. */
static void say(uint32_t number, const uint8_t* sent, size_t sent_length, const uint8_t* got,
                size_t got_length) {
  char line[160], one[65], other[65];
  int n = snprintf(line, sizeof(line), "%u %s %s\n", number, hex(sent, sent_length, one),
                   hex(got, got_length, other));
  if (write(STDOUT_FILENO, line, (size_t)n) != n) _exit(3);
}

static void complain(uint32_t number, const char* call) {
  char line[80];
  int n = snprintf(line, sizeof(line), "%u %s %s\n", number, call, strerrorname_np(errno));
  if (write(STDOUT_FILENO, line, (size_t)n) != n) _exit(3);
}

/* One side of one connection: what it sends, and what it has read. The client sends first, the server reads first. */
struct side {
  int fd;
  uint32_t number;
  bool client, sending;
  size_t sent, to_send, got, room;
  uint8_t out[ANSWER], in[ANSWER + 1];
};

static void begin(struct side* s, int fd, bool client, uint32_t number) {
  s->fd = fd;
  s->number = number;
  s->client = s->sending = client;
  s->sent = s->got = 0;
  s->to_send = client ? REQUEST : ANSWER;
  s->room = (client ? ANSWER : REQUEST) + 1; /* one byte too many would be seen */
  if (client) request_of(number, s->out);
}

/* Goes on until it is over (true) or a call says EAGAIN (false); calls of a blocking socket do not. */
static bool go_on(struct side* s) {
  const char* call = NULL;
  for (ssize_t n; !call;) {
    if (s->sending) {
      call = "send";
      n = send(s->fd, s->out + s->sent, s->to_send - s->sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return false;
      if (n <= 0) break;
      call = NULL;
      if ((s->sent += (size_t)n) < s->to_send) continue;
      s->sending = false;
      if (!s->client) break;
      call = shutdown(s->fd, SHUT_WR) ? "shutdown" : NULL;
    } else {
      n = recv(s->fd, s->in + s->got, s->room - s->got, 0);
      if (n < 0 && errno == EAGAIN) return false;
      if (n < 0) call = "recv";
      if (n > 0) s->got += (size_t)n;
      if (n > 0 && s->got < s->room) continue;
      if (s->client || call) break;
      if (s->got >= sizeof(s->number)) memcpy(&s->number, s->in, sizeof(s->number));
      answer_of(s->number, s->out);
      s->sending = true;
    }
  }
  if (call)
    complain(s->number, call);
  else
    say(s->number, s->out, s->sent, s->in, s->got);
  close(s->fd);
  s->fd = -1;
  return true;
}

static int listening(int port) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(fd, (struct sockaddr*)&any, sizeof(any)) || listen(fd, 512)) die("listen");
  return fd;
}

static void watch(int set, int op, int fd, uint32_t events, void* data) {
  struct epoll_event event = {.events = events, .data.ptr = data};
  if (epoll_ctl(set, op, fd, &event)) die("epoll_ctl");
}

static void serve_waiting(int listener) {
  struct epoll_event ready[64];
  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0 || fcntl(listener, F_SETFL, O_NONBLOCK)) die("epoll");
  watch(set, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
  for (;;) {
    int n = epoll_wait(set, ready, 64, -1);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++) {
      struct side* s = ready[i].data.ptr;
      if (s) {
        bool was_sending = s->sending;
        if (go_on(s))
          free(s);
        else if (s->sending != was_sending)
          watch(set, EPOLL_CTL_MOD, s->fd, EPOLLOUT, s);
        continue;
      }
      int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) continue;
      s = malloc(sizeof(*s));
      begin(s, fd, false, 0);
      watch(set, EPOLL_CTL_ADD, fd, EPOLLIN, s);
    }
  }
}

static void serve(int blocking_port, int waiting_port, int processes) {
  static struct side s;
  int blocking = listening(blocking_port), waiting = listening(waiting_port);
  for (int i = 0; i < processes; i++) {
    if (fork() > 0) continue;
    for (;;) {
      int fd = accept(blocking, NULL, NULL);
      if (fd < 0) die("accept");
      begin(&s, fd, false, 0);
      go_on(&s);
    }
  }
  serve_waiting(waiting);
}

static int connecting(const char* host, int port, int flags) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1) die(host);
  return connect(fd, (struct sockaddr*)&to, sizeof(to)) && errno != EINPROGRESS ? -1 : fd;
}

/* Numbers first, first + step, ... below count. */
static void run_blocking(const char* host, const int ports[2], uint32_t first, uint32_t step,
                         uint32_t count) {
  static struct side s;
  for (uint32_t number = first; number < count; number += step) {
    int fd = connecting(host, ports[number / step % 2], 0);
    if (fd < 0) {
      complain(number, "connect");
      continue;
    }
    begin(&s, fd, true, number);
    go_on(&s);
  }
}

static void run_waiting(const char* host, const int ports[2], uint32_t first, uint32_t count,
                        uint32_t at_once) {
  static struct side sides[MOST];
  struct pollfd polls[MOST];
  uint32_t next = first, open = 0;
  for (uint32_t i = 0; i < at_once; i++) sides[i].fd = -1;
  while (next < count || open > 0) {
    for (uint32_t i = 0; i < at_once; i++) {
      struct side* s = &sides[i];
      if (s->fd < 0 && next < count) {
        uint32_t number = next++;
        int fd = connecting(host, ports[number % 2], SOCK_NONBLOCK);
        if (fd < 0) {
          complain(number, "connect");
          continue;
        }
        begin(s, fd, true, number);
        open++;
      }
      polls[i] = (struct pollfd){s->fd, s->sending ? POLLOUT : POLLIN, 0};
    }
    if (poll(polls, at_once, -1) < 0 && errno != EINTR) die("poll");
    for (uint32_t i = 0; i < at_once; i++)
      if (sides[i].fd >= 0 && polls[i].revents && go_on(&sides[i])) open--;
  }
}

static int run(const char* host, const int ports[2], uint32_t count, uint32_t at_once) {
  uint32_t processes = at_once / 2, waiting = at_once - processes;
  if (waiting > MOST) return 64;
  for (uint32_t i = 0; i < processes; i++) {
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid > 0) continue;
    run_blocking(host, ports, i, processes, count / 2);
    exit(0);
  }
  run_waiting(host, ports, count / 2, count, waiting);
  int status, bad = 0;
  while (wait(&status) > 0) bad |= status;
  return bad ? 1 : 0;
}

int main(int argc, char** argv) {
  if (argc == 5 && !strcmp(argv[1], "serve")) serve(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
  if (argc == 7 && !strcmp(argv[1], "run"))
    return run(argv[2], (int[2]){atoi(argv[3]), atoi(argv[4])}, (uint32_t)atoi(argv[5]),
               (uint32_t)atoi(argv[6]));
  return 64;
}
