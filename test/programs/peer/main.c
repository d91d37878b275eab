// SPDX-License-Identifier: Apache-2.0
// The interpreter: blocks, waiting, output.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

void die(const char* format, ...) {
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  exit(2);
}

void report(const char* name, ssize_t result, int tries, const void* data, size_t length) {
  const unsigned char* bytes = data;
  int err = errno;
  char line[9000];
  int n = snprintf(line, 200, "%s %zd %s %d ", name, result,
                   result < 0 ? strerrorname_np(err) ?: "UNKNOWN" : "0", tries);
  for (size_t i = 0; i < length && i < 2000; i++) {
    bool plain = bytes[i] >= ' ' && bytes[i] < 127 && bytes[i] != '\\';
    n += snprintf(line + n, 5, plain ? "%c" : "\\x%02x", bytes[i]);
  }
  line[n++] = '\n';
  if (write(STDOUT_FILENO, line, (size_t)n) != n) _exit(3);
}

socklen_t parse_address(const char* text, struct sockaddr_storage* out) {
  char host[64];
  const char* colon = strrchr(text, ':');
  struct sockaddr_in* v4 = (struct sockaddr_in*)out;
  struct sockaddr_in6* v6 = (struct sockaddr_in6*)out;
  memset(out, 0, sizeof(*out));
  if (!colon || (size_t)(colon - text) >= sizeof(host)) die("no ADDRESS:PORT: %s", text);
  memcpy(host, text, (size_t)(colon - text));
  host[colon - text] = 0;
  if (host[0] == '[') {
    host[strlen(host) - 1] = 0;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((unsigned short)atoi(colon + 1));
    if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1) die("no IPv6 address: %s", text);
    return sizeof(*v6);
  }
  v4->sin_family = AF_INET;
  v4->sin_port = htons((unsigned short)atoi(colon + 1));
  if (inet_pton(AF_INET, host, &v4->sin_addr) != 1) die("no IPv4 address: %s", text);
  return sizeof(*v4);
}

size_t unescape(const char* text, char* out, size_t room) {
  size_t n = 0;
  unsigned byte;
  while (*text && n < room) {
    if (text[0] == '\\' && text[1] == 'n') {
      out[n++] = '\n';
      text += 2;
    } else if (text[0] == '\\' && sscanf(text + 1, "x%2x", &byte) == 1) {
      out[n++] = (char)byte;
      text += 4;
    } else {
      out[n++] = *text++;
    }
  }
  return n;
}

long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool is_nonblocking(int fd) {
  return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

void wait_for(int fd, short events, int ms) {
  struct pollfd one = {fd, events, 0};
  poll(&one, 1, ms);
}

static const struct op* find_op(const char* text, size_t length) {
  static const struct op* const tables[] = {socket_ops, move_ops, share_ops, serve_ops, uring_ops, abuse_ops};
  for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
    for (const struct op* op = tables[i]; op->name; op++) {
      if (strlen(op->name) == length && !strncmp(op->name, text, length)) return op;
    }
  }
  die("no such op: %s", text);
}

char** skip_ops(char** ops, const char* begin, const char* end) {
  for (int depth = 1; *ops; ops++) {
    if (!strcmp(*ops, begin)) depth++;
    if (!strcmp(*ops, end) && --depth == 0) return ops + 1;
  }
  die("no %s", end);
}

char** run_ops(struct peer* p, char** ops, const char* end) {
  for (p->ops = ops; *p->ops;) {
    const char* text = *p->ops++;
    if (end && !strcmp(text, end)) break;
    size_t length = strcspn(text, ":");
    find_op(text, length)
        ->run(p, text[length] ? strndup(text, length) : text, text[length] ? text + length + 1 : "");
  }
  return p->ops;
}

int main(int argc, char** argv) {
  struct peer p = {.fd = -1, .listener = -1, .wait_ms = 20000};
  (void)argc;
  signal(SIGPIPE, SIG_IGN);
  run_ops(&p, argv + 1, NULL);
  return 0;
}
