// SPDX-License-Identifier: Apache-2.0
// Servers and clients in numbers. A request is a line; the answer is "ok " and the request. Each connection carries one.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

struct request {
  int fd;
  size_t length;
  char text[512];
};

// Reports what was read, answers if it is a whole request, closes.
static void finish(struct request* r, ssize_t end) {
  char answer[600];
  bool whole = r->length > 0 && r->text[r->length - 1] == '\n';
  errno = end < 0 ? errno : 0;
  report("served", end < 0 ? -1 : (ssize_t)r->length, 0, r->text, r->length);
  if (whole) {
    int n = snprintf(answer, sizeof(answer), "ok %.*s", (int)r->length, r->text);
    (void)!write(r->fd, answer, (size_t)n);
  }
  close(r->fd);
}

// Reads once. 1: finished, 0: more to come, -1: EAGAIN
static int progress(struct request* r) {
  ssize_t n = read(r->fd, r->text + r->length, sizeof(r->text) - r->length);
  if (n < 0 && errno == EAGAIN) return -1;
  if (n > 0) r->length += (size_t)n;
  if (n > 0 && r->text[r->length - 1] != '\n') return 0;
  finish(r, n);
  return 1;
}

// serve-lt:N, serve-et:N: N connections by epoll, level- or edge-triggered; an edge-triggered reader reads until EAGAIN
static void serve_epoll(struct peer* p, const char* name, const char* count) {
  int left = atoi(count), set = epoll_create1(0);
  bool edge = !strcmp(name, "serve-et");
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, got[16];
  epoll_ctl(set, EPOLL_CTL_ADD, p->listener, &e);
  long until = now_ms() + p->wait_ms;
  while (left > 0 && now_ms() < until) {
    int n = epoll_wait(set, got, 16, 100);
    for (int i = 0; i < n; i++) {
      struct request* r = got[i].data.ptr;
      if (!r) {
        int fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) continue;
        r = calloc(1, sizeof(*r));
        r->fd = fd;
        e.events = EPOLLIN | EPOLLRDHUP | (edge ? EPOLLET : 0);
        e.data.ptr = r;
        epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
        continue;
      }
      int state;
      do state = progress(r);
      while (edge && state == 0);
      if (state == 1) {
        free(r);
        left--;
      }
    }
  }
  close(set);
  report(name, left, 0, NULL, 0);
}

static void* serve_one(void* context) {
  struct request* r = context;
  while (progress(r) == 0) {
  }
  free(r);
  return NULL;
}

// serve-threads:N, a thread a connection, blocking; serve-forks:N, as inetd does: the parent closes at once;
// serve-blocking:N, one after the other
static void serve_blocking(struct peer* p, const char* name, const char* count) {
  pthread_t threads[128];
  int started = 0;
  for (int left = atoi(count); left > 0; left--) {
    struct request* r = calloc(1, sizeof(*r));
    r->fd = accept(p->listener, NULL, NULL);
    if (r->fd < 0) {
      report("accept", -1, 0, NULL, 0);
      continue;
    }
    if (!strcmp(name, "serve-blocking")) {
      serve_one(r);
    } else if (!strcmp(name, "serve-threads")) {
      if (started == 128 || pthread_create(&threads[started++], NULL, serve_one, r)) die("pthread_create");
    } else {
      if (fork() == 0) {
        serve_one(r);
        _exit(0);
      }
      close(r->fd);
      free(r);
    }
  }
  while (started > 0) pthread_join(threads[--started], NULL);
  while (wait(NULL) > 0) {
  }
  report(name, 0, 0, NULL, 0);
}

// ask:COUNT,ADDRESS:PORT,TEXT: COUNT connections one after the other; each sends its request and shuts down or closes right behind
// it, or waits for the answer. ask-fin: FIN right behind the request, then the answer; ask: the answer, then close. Result: answers
// that were right. Tries: the time in ms.
static void do_ask(struct peer* p, const char* name, const char* argument) {
  char address[64], text[300], line[400], answer[600];
  int count, right = 0;
  struct sockaddr_storage to;
  (void)p;
  if (sscanf(argument, "%d,%63[^,],%299[^\n]", &count, address, text) != 3) die("ask:%s", argument);
  socklen_t length = parse_address(address, &to);
  long begun = now_ms();
  for (int i = 0; i < count; i++) {
    int fd = socket(to.ss_family, SOCK_STREAM, 0), n = snprintf(line, sizeof(line), "%s %d\n", text, i);
    ssize_t got = -1;
    if (!connect(fd, (struct sockaddr*)&to, length) && write(fd, line, (size_t)n) == n &&
        (strcmp(name, "ask-fin") || !shutdown(fd, SHUT_WR))) {
      size_t have = 0;
      while (have < sizeof(answer) && (got = read(fd, answer + have, sizeof(answer) - have)) > 0)
        have += (size_t)got;
      if (got == 0 && have == (size_t)n + 3 && !memcmp(answer, "ok ", 3) &&
          !memcmp(answer + 3, line, (size_t)n))
        right++;
      else
        report("wrong-answer", got, i, answer, have);
    } else {
      report("failed-ask", -1, i, NULL, 0);
    }
    close(fd);
  }
  report(name, right, (int)(now_ms() - begun), NULL, 0);
}

// silent:COUNT,ADDRESS:PORT: that many connections that say nothing, until this program ends
static void do_silent(struct peer* p, const char* name, const char* argument) {
  char address[64];
  int count, made = 0;
  struct sockaddr_storage to;
  (void)p;
  if (sscanf(argument, "%d,%63s", &count, address) != 2) die("silent:%s", argument);
  socklen_t length = parse_address(address, &to);
  for (int i = 0; i < count; i++)
    made += !connect(socket(to.ss_family, SOCK_STREAM, 0), (struct sockaddr*)&to, length);
  report(name, made, 0, NULL, 0);
}

// A thread that sends on whatever socket there is, connected or not, until told to stop.
struct sender {
  _Atomic int fd;
  const char* text;
};
static void* send_always(void* context) {
  struct sender* s = context;
  for (int fd; (fd = s->fd) != -2;) {
    if (fd >= 0 && send(fd, s->text, strlen(s->text), MSG_NOSIGNAL) > 0) s->fd = -1;
  }
  return NULL;
}

// race-send:COUNT,ADDRESS:PORT,TEXT: connects COUNT sockets while another thread sends the text on each from before it is connected
// until it has got through; result: how often it did
static void race_send(struct peer* p, const char* name, const char* argument) {
  char address[64], text[300];
  int count, sent = 0;
  struct sockaddr_storage to;
  pthread_t thread;
  if (sscanf(argument, "%d,%63[^,],%299s", &count, address, text) != 3) die("race-send:%s", argument);
  socklen_t length = parse_address(address, &to);
  struct sender s = {-1, text};
  if (pthread_create(&thread, NULL, send_always, &s)) die("pthread_create");
  for (int i = 0; i < count; i++) {
    int fd = socket(to.ss_family, SOCK_STREAM, 0);
    s.fd = fd;
    connect(fd, (struct sockaddr*)&to, length);
    long until = now_ms() + p->wait_ms;
    while (s.fd == fd && now_ms() < until) usleep(1000);
    sent += s.fd == -1;
    s.fd = -1;
    close(fd);
  }
  s.fd = -2;
  pthread_join(thread, NULL);
  report(name, sent, 0, NULL, 0);
}

// burn: waits for 'writable' level-triggered by epoll and writes one byte, as programs do; result: CPU time used in microseconds
// until the first byte went, tries: the wall-clock time in ms, data: how often it was told EAGAIN.
static void do_burn(struct peer* p, const char* name, const char* argument) {
  int set = epoll_create1(0), tries = 0;
  struct epoll_event e = {.events = EPOLLOUT | EPOLLIN};
  struct rusage before, after;
  char text[64];
  (void)argument;
  epoll_ctl(set, EPOLL_CTL_ADD, p->fd, &e);
  getrusage(RUSAGE_SELF, &before);
  long begun = now_ms();
  ssize_t n;
  do {
    epoll_wait(set, &e, 1, 1000);
    n = write(p->fd, "x", 1);
    tries++;
  } while (n < 0 && errno == EAGAIN);
  getrusage(RUSAGE_SELF, &after);
  long us =
      (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) *
          1000000 +
      (after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec);
  int length = snprintf(text, sizeof(text), "%d %s", tries, n < 0 ? strerrorname_np(errno) : "sent");
  report(name, us, (int)(now_ms() - begun), text, (size_t)length);
}

const struct op serve_ops[] = {
    {"serve-lt", serve_epoll},
    {"serve-et", serve_epoll},
    {"serve-blocking", serve_blocking},
    {"serve-threads", serve_blocking},
    {"serve-forks", serve_blocking},
    {"ask", do_ask},
    {"ask-fin", do_ask},
    {"burn", do_burn},
    {"silent", do_silent},
    {"race-send", race_send},
    {NULL, NULL},
};
