// SPDX-License-Identifier: Apache-2.0
/*
 * A small TCP program as others write them, one behaviour a run:
 *
 *   talker blocking HOST PORT TEXT   connect, send TEXT, read until the end or an error; all calls block
 *   talker epoll HOST PORT TEXT      the same, non-blocking, edge-triggered: asleep in epoll_wait until it is told to look again
 *   talker mute HOST PORT            connect, send nothing, stay until killed
 *   talker forget HOST PORT TEXT    as epoll (level-triggered), but at SIGUSR1 closes the descriptor and asks what events there are
 *   talker late PORT                 as echo, but accepts nothing before SIGUSR1
 *   talker echo PORT                 sends back what it reads, one connection after the other, blocking
 *   talker accept PORT               accepts and never says a word
 *   talker listen PORT               never accepts
 *
 * Every step is a line on standard output: "connected", "sent N", "read TEXT", "end", or CALL and the name of its error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char* call) {
  printf("%s %s\n", call, strerrorname_np(errno));
  exit(1);
}

static struct sockaddr_in6 address(const char* host, const char* port, socklen_t* length) {
  struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = any.sin6_port};
  *length = sizeof(any);
  if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
    memcpy(&any, &v4, sizeof(v4));
    *length = sizeof(v4);
  } else if (inet_pton(AF_INET6, host, &any.sin6_addr) != 1) {
    fprintf(stderr, "not an address: %s\n", host);
    exit(64);
  }
  return any;
}

static int connected(const char* host, const char* port) {
  socklen_t length;
  struct sockaddr_in6 to = address(host, port, &length);
  int fd = socket(to.sin6_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, (struct sockaddr*)&to, length)) fail("connect");
  puts("connected");
  return fd;
}

static int listening(const char* port) {
  struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
  int one = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(fd, (struct sockaddr*)&any, sizeof(any)) || listen(fd, 64)) fail("listen");
  puts("listening");
  return fd;
}

/* Waits for the next edge if the call said EAGAIN; any other error ends the program. */
static void look_again(int set, const char* call) {
  struct epoll_event event;
  if (errno != EAGAIN || set < 0) fail(call);
  if (epoll_wait(set, &event, 1, -1) < 0 && errno != EINTR) fail("epoll_wait");
}

static void converse(int fd, int set, const char* text) {
  char line[4096];
  ssize_t n;
  while ((n = send(fd, text, strlen(text), MSG_NOSIGNAL)) < 0) look_again(set, "send");
  printf("sent %zd\n", n);
  for (;;) {
    n = recv(fd, line, sizeof(line) - 1, 0);
    if (n < 0) {
      look_again(set, "recv");
      continue;
    }
    if (n == 0) break;
    line[n] = 0;
    printf("read %s\n", line);
    if (strlen(text) == (size_t)n) shutdown(fd, SHUT_WR);
  }
  puts("end");
}

static int edges(int fd) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)) fail("epoll");
  return set;
}

/* After close() no event may name what was closed: a program has freed what its pointer shows to. */
static void forget(int fd, const char* text) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
  int set = epoll_create1(EPOLL_CLOEXEC), sig;
  sigset_t usr1;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  sigprocmask(SIG_BLOCK, &usr1, NULL);
  if (set < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)) fail("epoll");
  if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) printf("send %s\n", strerrorname_np(errno));
  sigwait(&usr1, &sig);
  close(fd);
  printf("events %d\n", epoll_wait(set, &event, 1, 0));
}

static void echo(int listener) {
  char bytes[65536];
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    puts("accepted");
    for (;;) {
      ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
      if (n < 0) printf("recv %s\n", strerrorname_np(errno));
      if (n <= 0 || send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n) break;
    }
    close(fd);
    puts("closed");
  }
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char* what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "blocking") && argc == 5) {
    converse(connected(argv[2], argv[3]), -1, argv[4]);
  } else if (!strcmp(what, "epoll") && argc == 5) {
    int fd = connected(argv[2], argv[3]);
    converse(fd, edges(fd), argv[4]);
  } else if (!strcmp(what, "forget") && argc == 5) {
    forget(connected(argv[2], argv[3]), argv[4]);
  } else if (!strcmp(what, "mute") && argc == 4) {
    connected(argv[2], argv[3]);
    pause();
  } else if (!strcmp(what, "echo") && argc == 3) {
    echo(listening(argv[2]));
  } else if (!strcmp(what, "late") && argc == 3) {
    sigset_t usr1;
    int sig;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    int listener = listening(argv[2]);
    sigwait(&usr1, &sig);
    echo(listener);
  } else if (!strcmp(what, "accept") && argc == 3) {
    int listener = listening(argv[2]);
    while (accept(listener, NULL, NULL) >= 0) puts("accepted");
    fail("accept");
  } else if (!strcmp(what, "listen") && argc == 3) {
    listening(argv[2]);
    pause();
  } else {
    return 64;
  }
  return 0;
}
