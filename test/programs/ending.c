// SPDX-License-Identifier: Apache-2.0
/*
 * How a program ends a connection when it has just written all it had to write, and whether the last byte arrives.
 *
 *   ending write PORT BYTES SNDBUF HOW   accepts one connection and waits for a byte; writes without blocking, waiting in poll() where it must, until
 *                                        everything has been taken, and ends at once. SNDBUF 0: the kernel's. HOW: close, exit, kill, exec, linger,
 *                                        shutdown, both (a shutdown of both directions, then close), corked (the last 100 bytes are sent with
 *                                        MSG_MORE, then shutdown), told (as shutdown, and says SO_SNDBUF, SO_BUF_LOCK and TCP_NOTSENT_LOWAT before and
 *                                        after), unheard (as shutdown, but it has read nothing before)
 *   ending read HOST PORT BYTES RCVBUF   asks for them, is slow to read, and says what it got
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_BUF_LOCK /* from 5.14; not in glibc 2.36 */
#define SO_BUF_LOCK 72
#endif

enum { CORKED = 100 };

/* Another byte at each place of a record: what is lost, doubled or exchanged is seen. */
static unsigned char byte_at(size_t place) {
  return (unsigned char)(place * 31 + (place >> 8) * 7 + (place >> 16));
}

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static void set(int fd, int option, int value) {
  if (value && setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value))) fail("setsockopt");
}

static void tell_buffer(int fd) {
  int size = 0, lock = 0, lowat = 0;
  socklen_t length = sizeof(int);

  if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) ||
      getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, &length) ||
      getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, &length))
    fail("getsockopt");
  printf("%d %d %d\n", size, lock, lowat);
  fflush(stdout);
}

static void end(int fd, const char* how) {
  if (!strcmp(how, "exit")) _exit(0);
  if (!strcmp(how, "kill")) raise(SIGKILL);
  if (!strcmp(how, "exec")) execl("/bin/true", "true", (char*)NULL); /* the socket is closed by that */
  if (!strcmp(how, "linger")) {
    struct linger wait = {.l_onoff = 1, .l_linger = 20};
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait))) fail("SO_LINGER");
  }
  if (!strcmp(how, "both") && shutdown(fd, SHUT_RDWR)) fail("shutdown");
  if (!strcmp(how, "shutdown") || !strcmp(how, "corked") || !strcmp(how, "told") || !strcmp(how, "unheard")) {
    const bool told = !strcmp(how, "told");
    char byte;
    if (told) tell_buffer(fd);
    if (shutdown(fd, SHUT_WR)) fail("shutdown");
    if (told) tell_buffer(fd);
    if (fcntl(fd, F_SETFL, 0)) fail("fcntl");
    while (read(fd, &byte, 1) > 0)
      ;
  }
  if (close(fd)) fail("close");
}

static int write_all(int port, size_t bytes, int sndbuf, const char* how) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  unsigned char* data = malloc(bytes);
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
  const bool corked = !strcmp(how, "corked");
  char byte;

  for (size_t i = 0; i < bytes; i++) data[i] = byte_at(i);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(listener, (void*)&at, sizeof(at)) || listen(listener, 1)) fail("listen");
  fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0 || (strcmp(how, "unheard") && read(fd, &byte, 1) != 1)) fail("read");
  set(fd, SO_SNDBUF, sndbuf);
  if (fcntl(fd, F_SETFL, O_NONBLOCK)) fail("fcntl");
  for (size_t sent = 0; sent < bytes;) {
    const bool last = !corked || sent >= bytes - CORKED;
    ssize_t n = send(fd, data + sent, (last ? bytes : bytes - CORKED) - sent,
                     MSG_NOSIGNAL | (corked && last ? MSG_MORE : 0));
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    if (n >= 0)
      sent += (size_t)n;
    else if (errno != EAGAIN)
      fail("send");
    else if (poll(&room, 1, -1) < 0)
      fail("poll");
  }
  end(fd, how);
  return 0;
}

static int read_all(const char* host, int port, size_t bytes, int rcvbuf) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  unsigned char part[4096];
  size_t got = 0;
  ssize_t n;

  set(fd, SO_RCVBUF, rcvbuf);
  if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || connect(fd, (void*)&to, sizeof(to))) fail("connect");
  if (write(fd, "x", 1) != 1) fail("write");
  usleep(500000); /* everything on the way is full, and with a short answer the writer has ended */
  while ((n = read(fd, part, sizeof(part))) > 0) {
    for (ssize_t i = 0; i < n; i++)
      if (part[i] != byte_at(got + (size_t)i)) {
        printf("another byte at %zu\n", got + (size_t)i);
        return 1;
      }
    got += (size_t)n;
    usleep(1000);
  }
  printf("%zu of %zu, %s\n", got, bytes, n ? strerror(errno) : "end of file");
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 6 && !strcmp(argv[1], "write"))
    return write_all(atoi(argv[2]), (size_t)atol(argv[3]), atoi(argv[4]), argv[5]);
  if (argc == 6 && !strcmp(argv[1], "read"))
    return read_all(argv[2], atoi(argv[3]), (size_t)atol(argv[4]), atoi(argv[5]));
  fprintf(stderr, "usage: ending write PORT BYTES SNDBUF HOW\n       ending read HOST PORT BYTES RCVBUF\n");
  return 64;
}
