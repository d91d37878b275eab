// SPDX-License-Identifier: Apache-2.0
/*
 * What a call costs a program that the gate does not concern, and what a caller costs that it holds.
 *
 *   hook_price calls COUNT            prints `NAME NANOSECONDS` for each kind of call: the mean of COUNT calls
 *   hook_price held ADDRESS PORT N lt|et|blocking
 *
 * calls: a file's pread and pwrite, send and recv of one byte over a loopback TCP connection and over a Unix socket pair. The LSM hooks on
 * sockets run for every program of the machine, captured or not, and the one on files (for splice and sendfile) for every read and write.
 *
 * held: N connections at once, all to an address where nobody answers a handshake. The program polls them for writing (level- or
 * edge-triggered epoll) and sends when it is told that it may, as an event loop does that has something to say; blocking: N processes that
 * call send(). Until every connection has ended. Prints `wall S cpu S calls N`: seconds of the clock, seconds of processor time (user and
 * system, children too), and how often send() said EAGAIN.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char* what) {
  fprintf(stderr, "hook_price: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say(const char* name, double since, long count) {
  printf("%s %.1f\n", name, (now() - since) * 1e9 / (double)count);
}

static void time_file(long count) {
  char path[] = "/tmp/hook_price.XXXXXX", byte = 'x';
  int fd = mkstemp(path);
  if (fd < 0 || unlink(path) || pwrite(fd, &byte, 1, 0) != 1) die("a file in /tmp");
  double since = now();
  for (long i = 0; i < count; i++)
    if (pread(fd, &byte, 1, 0) != 1) die("pread");
  say("file-read", since, count);
  since = now();
  for (long i = 0; i < count; i++)
    if (pwrite(fd, &byte, 1, 0) != 1) die("pwrite");
  say("file-write", since, count);
  close(fd);
}

/* Sends `count` bytes in parts that fit the buffers, and receives each part before the next. */
static void time_pair(const char* name, int from, int to, long count) {
  enum { PART = 100 };
  double sending = 0, receiving = 0;
  char byte = 'x', label[32];
  for (long done = 0; done < count; done += PART) {
    double since = now();
    for (int i = 0; i < PART; i++)
      if (send(from, &byte, 1, 0) != 1) die("send");
    sending += now() - since;
    since = now();
    for (int i = 0; i < PART; i++)
      if (recv(to, &byte, 1, 0) != 1) die("recv");
    receiving += now() - since;
  }
  snprintf(label, sizeof(label), "%s-send", name);
  say(label, now() - sending, count);
  snprintf(label, sizeof(label), "%s-recv", name);
  say(label, now() - receiving, count);
}

static void time_sockets(long count) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(at);
  int one = 1, pair[2], listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0),
      server;
  if (bind(listener, (struct sockaddr*)&at, sizeof(at)) || listen(listener, 1) ||
      getsockname(listener, (struct sockaddr*)&at, &length) ||
      connect(client, (struct sockaddr*)&at, sizeof(at)) || (server = accept(listener, NULL, NULL)) < 0 ||
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
    die("a connection over loopback");
  time_pair("tcp", client, server, count);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) die("socketpair");
  time_pair("unix", pair[0], pair[1], count);
}

static int connect_to(const struct sockaddr_in* to) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (const struct sockaddr*)to, sizeof(*to))) die("connect");
  return fd;
}

/* Until the kernel took the byte (which it should not) or the connection has ended. */
static long poll_and_send(const struct sockaddr_in* to, int n, int edge) {
  int set = epoll_create1(0), left = n;
  long again = 0;
  for (int i = 0; i < n; i++) {
    struct epoll_event interest = {.events = EPOLLOUT | (edge ? EPOLLET : 0), .data.fd = connect_to(to)};
    if (fcntl(interest.data.fd, F_SETFL, O_NONBLOCK) ||
        epoll_ctl(set, EPOLL_CTL_ADD, interest.data.fd, &interest))
      die("epoll_ctl");
  }
  while (left > 0) {
    struct epoll_event ready[64];
    int count = epoll_wait(set, ready, 64, -1);
    for (int i = 0; i < count; i++) {
      if (send(ready[i].data.fd, "x", 1, MSG_NOSIGNAL) >= 0) die("the byte was taken");
      if (errno == EAGAIN) {
        again++;
      } else {
        close(ready[i].data.fd);
        left--;
      }
    }
  }
  return again;
}

static void block_and_send(const struct sockaddr_in* to, int n) {
  for (int i = 0; i < n; i++) {
    if (fork()) continue;
    if (send(connect_to(to), "x", 1, MSG_NOSIGNAL) >= 0) die("the byte was taken");
    _exit(0);
  }
  for (int status; wait(&status) > 0;)
    if (status) exit(1);
}

static double processor_time(int who) {
  struct rusage used;
  getrusage(who, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char** argv) {
  if (argc == 3 && !strcmp(argv[1], "calls")) {
    time_file(atol(argv[2]));
    time_sockets(atol(argv[2]));
    return 0;
  }
  struct sockaddr_in to = {.sin_family = AF_INET};
  if (argc != 6 || strcmp(argv[1], "held") || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
    fprintf(stderr, "usage: hook_price calls COUNT | hook_price held ADDRESS PORT N lt|et|blocking\n");
    return 64;
  }
  to.sin_port = htons((unsigned short)atoi(argv[3]));
  const double since = now();
  long again = 0;
  if (!strcmp(argv[5], "blocking"))
    block_and_send(&to, atoi(argv[4]));
  else
    again = poll_and_send(&to, atoi(argv[4]), !strcmp(argv[5], "et"));
  printf("wall %.2f cpu %.3f calls %ld\n", now() - since,
         processor_time(RUSAGE_SELF) + processor_time(RUSAGE_CHILDREN), again);
  return 0;
}
