// SPDX-License-Identifier: Apache-2.0
/*
 * fionread serve HOST PORT [rcvbuf=BYTES] [mss=BYTES] ROUND...: takes one connection, and in each round checks what FIONREAD says against what
 * can be read. fionread send HOST PORT ROUND...: sends the rounds, each when the other side is through with the one before.
 *
 * A round is SIZE[+SIZE]..., each one call of send(), with xN behind a size for N of them. In front of it:
 *   p   the reader peeks at all of it, too
 *   m   more than the kernel is asked to count: FIONREAD may say less, but never 0 while there is something
 *   s   slow: parts of records are there for a while, and are not counted
 *
 * Ends with 1 at the first wrong answer, and says what was wrong; else prints a line for each round.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST (1 << 22)
/* Looks, 2 ms apart, without a byte that has come */
#define STILL 500

static unsigned char buffer[MOST];
static size_t position; /* in the stream: a byte there is known by it */

static void die(const char* format, ...) {
  va_list args;
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  printf("\n");
  exit(1);
}

static unsigned char byte_at(size_t at) {
  return (unsigned char)(at * 131 + (at >> 8) * 7 + (at >> 16));
}

static int readable(int fd) {
  int bytes = -1;
  if (ioctl(fd, FIONREAD, &bytes)) die("FIONREAD: %s", strerror(errno));
  return bytes;
}

static void expect(int fd, size_t bytes, const char* when) {
  int said = readable(fd);
  if (said != (int)bytes) die("FIONREAD says %d, %zu are there %s", said, bytes, when);
}

static void check(const unsigned char* data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (data[i] != byte_at(position + i)) die("byte %zu is wrong", position + i);
}

/* Up to `bytes`, which must be there. */
static void take(int fd, size_t bytes) {
  ssize_t got = recv(fd, buffer, bytes, MSG_DONTWAIT);
  if (got != (ssize_t)bytes)
    die("FIONREAD promised %zu bytes, recv gave %zd (%s)", bytes, got, strerror(errno));
  check(buffer, bytes);
  position += bytes;
}

static size_t received(int fd) {
  struct tcp_info info = {0};
  socklen_t length = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length)) die("TCP_INFO: %s", strerror(errno));
  return info.tcpi_bytes_received;
}

/* One size of a round: "16384" or "1x50". Returns how many sends, and its size. */
static int sizes(const char* text, size_t* size) {
  char* end;
  *size = strtoul(text, &end, 10);
  return *end == 'x' ? atoi(end + 1) : 1;
}

static size_t total(const char* round) {
  size_t sum = 0, size;
  for (const char* at = round; at; at = strchr(at, '+') ? strchr(at, '+') + 1 : NULL)
    sum += (size_t)sizes(at, &size) * size;
  return sum;
}

/* Until all is there, or nothing more comes: TCP opens its window as it likes. Returns how much is there. */
static size_t wait_for(int fd, size_t bytes) {
  int before = 0, still = 0;
  for (size_t had = 0;; usleep(2000)) {
    const size_t have = received(fd);
    const int said = readable(fd);
    if (said < before || said > (int)bytes)
      die("FIONREAD says %d of %zu, and said %d before", said, bytes, before);
    before = said;
    still = have > had ? 0 : still + 1;
    had = have;
    if (said == (int)bytes || (said && still > STILL)) return (size_t)said;
  }
}

/* What a larger window would have let come with the rest: as much as can be peeked at, and read. Returns how much. */
static size_t take_early(int fd, size_t said) {
  const ssize_t peeked = recv(fd, buffer, MOST, MSG_PEEK | MSG_DONTWAIT);
  if (peeked < (ssize_t)said || peeked > readable(fd))
    die("MSG_PEEK gave %zd, FIONREAD said %zu", peeked, said);
  take(fd, (size_t)peeked);
  return (size_t)peeked;
}

static void peek(int fd, size_t bytes) {
  for (int i = 0; i < 2; i++) {
    ssize_t got = recv(fd, buffer, MOST, MSG_PEEK | MSG_DONTWAIT);
    if (got != (ssize_t)bytes) die("MSG_PEEK gave %zd, FIONREAD said %zu", got, bytes);
    check(buffer, bytes);
    expect(fd, bytes, "after MSG_PEEK");
  }
}

/* All of it is there: reads it in pieces of many sizes, and asks in between. */
static void exact(int fd, size_t bytes, bool peeks) {
  static const size_t pieces[] = {1, 7, 100, 16383, 5000, 16384, 1, 40000, 3};
  for (size_t said; (said = wait_for(fd, bytes)) < bytes;) bytes -= take_early(fd, said);
  if (peeks) peek(fd, bytes);
  for (int i = 0; bytes; i++) {
    size_t piece = pieces[i % 9];
    if (piece > bytes) piece = bytes;
    take(fd, piece);
    bytes -= piece;
    expect(fd, bytes, "after a read");
    if (peeks && i == 2 && bytes) peek(fd, bytes);
  }
}

/* It has said 0: then nothing can be read, or it came only now. */
static void expect_nothing(int fd) {
  if (recv(fd, buffer, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 && !readable(fd))
    die("FIONREAD says 0 while a byte can be read");
}

/* What FIONREAD says is there and can be read, nothing else; and part of a record was there that it did not count. */
static void slow(int fd, size_t bytes) {
  size_t at_rest = received(fd);
  int parts = 0;
  while (bytes) {
    size_t before = received(fd);
    int said = readable(fd);
    if (!said) {
      if (before > at_rest) parts++;
      expect_nothing(fd);
      usleep(2000);
      continue;
    }
    take(fd, (size_t)said);
    bytes -= (size_t)said;
    at_rest = received(fd);
  }
  if (!parts) die("no part of a record was seen");
}

static void many(int fd, size_t bytes) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  size_t before;
  do { /* until all has come that the buffer takes */
    before = received(fd);
    usleep(300000);
  } while (received(fd) > before);
  for (int most = 0; bytes;) {
    int said = readable(fd);
    if (said < 0 || said > (int)bytes) die("FIONREAD says %d of %zu", said, bytes);
    if (!said) expect_nothing(fd);
    if (said > most) printf("counted %d of %zu\n", most = said, bytes);
    if (said) take(fd, (size_t)said);
    bytes -= (size_t)said;
    if (bytes) poll(&ready, 1, 100);
  }
}

static void serve_round(int fd, const char* round) {
  const char* sums = round + strspn(round, "pms");
  size_t bytes = total(sums);
  if (strchr(round, 's'))
    slow(fd, bytes);
  else if (strchr(round, 'm'))
    many(fd, bytes);
  else
    exact(fd, bytes, strchr(round, 'p') != NULL);
  expect(fd, 0, "at the end of a round");
  if (recv(fd, buffer, 1, MSG_DONTWAIT) != -1 || errno != EAGAIN) die("more is there than FIONREAD says");
  printf("%s: %zu bytes\n", round, bytes);
  fflush(stdout);
  if (send(fd, "", 1, 0) != 1) die("send: %s", strerror(errno));
}

static void send_all(int fd, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) buffer[i] = byte_at(position + i);
  if (send(fd, buffer, bytes, 0) != (ssize_t)bytes) die("send: %s", strerror(errno));
  position += bytes;
}

static void send_round(int fd, const char* round) {
  size_t size;
  for (const char* at = round + strspn(round, "pms"); at; at = strchr(at, '+') ? strchr(at, '+') + 1 : NULL)
    for (int n = sizes(at, &size); n > 0; n--) send_all(fd, size);
  if (recv(fd, buffer, 1, 0) != 1) die("the reader has gone");
}

int main(int argc, char** argv) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *to;
  bool serves = argc > 3 && !strcmp(argv[1], "serve");
  int fd, one = 1, first = 4;

  if (argc < 5 || getaddrinfo(argv[2], argv[3], &hints, &to)) {
    fprintf(stderr, "usage: fionread serve|send HOST PORT [rcvbuf=BYTES] [mss=BYTES] ROUND...\n");
    return 64;
  }
  fd = socket(to->ai_family, SOCK_STREAM, 0);
  for (; first < argc && strchr(argv[first], '='); first++) {
    int value = atoi(strchr(argv[first], '=') + 1);
    if (argv[first][0] == 'm')
      setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &value, sizeof(value));
    else
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value));
  }
  if (serves) {
    int listener = fd;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, to->ai_addr, to->ai_addrlen) || listen(fd, 1)) die("listen: %s", strerror(errno));
    fd = accept(listener, NULL, NULL);
    if (fd < 0) die("accept: %s", strerror(errno));
  } else if (connect(fd, to->ai_addr, to->ai_addrlen)) {
    die("connect: %s", strerror(errno));
  } else {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  }
  for (int i = first; i < argc; i++) (serves ? serve_round : send_round)(fd, argv[i]);
  return 0;
}
