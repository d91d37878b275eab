// SPDX-License-Identifier: Apache-2.0
// What no honest program does: kinds of sockets one after the other, and calls in a loop that make the gate tell of them.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

// kinds:FAMILY,FAMILY/PROTOCOL,... : types of each, without a number protocol 0. A line for each: what socket() said, "FAMILY/TYPE/PROTOCOL". Of a
// family that is not there only the first: for each the kernel looks for a module.
static void try_kinds(struct peer* p, const char* name, const char* list) {
  static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_PACKET};
  (void)p;
  for (const char* at = list; *at; at += strcspn(at, ","), at += *at == ',') {
    int family, protocol = 0;
    if (sscanf(at, "%d/%d", &family, &protocol) < 1) die("%s: %s", name, at);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
      char kind[64];
      int fd = socket(family, types[i], protocol), missing = fd < 0 && errno == EAFNOSUPPORT;
      report("kind", fd < 0 ? -1 : 0, 0, kind, (size_t)sprintf(kind, "%d/%d/%d", family, types[i], protocol));
      if (fd >= 0) close(fd);
      if (missing) break;
    }
  }
}

// close-copies:MS : duplicates the present socket and closes the copy, as fast as it goes
static void close_copies(struct peer* p, const char* name, const char* ms) {
  int tries = 0;
  for (long end = now_ms() + atoi(ms); now_ms() < end; tries++) close(dup(p->fd));
  report(name, 0, tries, NULL, 0);
}

// ask-again:MS : reads without waiting, as fast as it goes
static void ask_again(struct peer* p, const char* name, const char* ms) {
  int tries = 0;
  char byte;
  for (long end = now_ms() + atoi(ms); now_ms() < end; tries++) {
    if (recv(p->fd, &byte, 1, MSG_DONTWAIT) < 0 && errno != EAGAIN) break;
  }
  report(name, 0, tries, NULL, 0);
}

// connect-again:MS,ADDRESS:PORT : a new socket each time
static void connect_again(struct peer* p, const char* name, const char* argument) {
  struct sockaddr_storage to;
  char* address;
  long end = now_ms() + strtol(argument, &address, 10);
  socklen_t length = parse_address(address + 1, &to);
  int tries = 0;
  (void)p;
  for (; now_ms() < end; tries++) {
    int fd = socket(to.ss_family, SOCK_STREAM, 0);
    if (!connect(fd, (struct sockaddr*)&to, length)) die("connect-again: nobody refuses it");
    close(fd);
  }
  report(name, 0, tries, NULL, 0);
}

// spin-WAY[:DATA] : a call that does not wait, every 2 ms (too seldom to be made to nap) until it is not told EAGAIN
static void spin(struct peer* p, const char* name, const char* data) {
  char bytes[64];
  size_t n = unescape(data, bytes, sizeof(bytes));
  ssize_t result = -1;
  int ends[2], tries = 0;
  if (pipe(ends)) die("pipe: %m");
  for (long end = now_ms() + p->wait_ms; now_ms() < end; tries++, usleep(2000)) {
    if (!strcmp(name, "spin-send"))
      result = send(p->fd, bytes, n, MSG_DONTWAIT);
    else if (!strcmp(name, "spin-recv"))
      result = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    else
      result = splice(p->fd, NULL, ends[1], NULL, sizeof(bytes), SPLICE_F_NONBLOCK);
    if (result >= 0 || errno != EAGAIN) break;
  }
  if (result > 0 && !strcmp(name, "spin-splice")) result = read(ends[0], bytes, sizeof(bytes));
  report(name, result, tries, bytes, result > 0 ? (size_t)result : 0);
  close(ends[0]);
  close(ends[1]);
}

// A filter of so many instructions, which lets everything through.
static int attach_filter(int fd, int count) {
  static struct sock_filter code[BPF_MAXINSNS];
  for (int i = 0; i < count; i++) code[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, (unsigned)i);
  code[count - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, ~0u);
  struct sock_fprog program = {(unsigned short)count, code};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int detach_filter(int fd) {
  int none = 0;
  return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none));
}

// take-room:LEFT, listener-take-room:LEFT : has a filter that takes all but LEFT bytes of what the kernel lends the socket for its options
// (net.core.optmem_max). What is accepted has the filter of its listener.
static void take_room(struct peer* p, const char* name, const char* left) {
  int fd = *name == 'l' ? p->listener : p->fd, most = 1, limit = BPF_MAXINSNS;
  while (most < limit) {
    int middle = (most + limit + 1) / 2;
    if (attach_filter(fd, middle)) {
      limit = middle - 1;
    } else {
      detach_filter(fd);
      most = middle;
    }
  }
  if (most == BPF_MAXINSNS) die("%s: no filter is as large as the room", name);
  report(name, attach_filter(fd, most - atoi(left) / (int)sizeof(struct sock_filter)), 0, NULL, 0);
}

static void give_room(struct peer* p, const char* name, const char* argument) {
  (void)argument;
  report(name, detach_filter(p->fd), 0, NULL, 0);
}

const struct op abuse_ops[] = {
    {"kinds", try_kinds},
    {"close-copies", close_copies},
    {"ask-again", ask_again},
    {"connect-again", connect_again},
    {"spin-send", spin},
    {"spin-recv", spin},
    {"spin-splice", spin},
    {"take-room", take_room},
    {"give-room", give_room},
    {"listener-take-room", take_room},
    {NULL, NULL},
};
