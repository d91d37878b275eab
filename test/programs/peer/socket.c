// SPDX-License-Identifier: Apache-2.0
// Making, naming and ending connections.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../bpf/tlshub.h"
#include "peer.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef AF_SMC
#define AF_SMC 43
#endif
#ifndef AF_KCM
#define AF_KCM 41
#endif

// socket:tcp | tcp6 | mptcp | smc | kcm | rds
static void make_socket(struct peer* p, const char* name, const char* kind) {
  int family = !strcmp(kind, "tcp6")  ? AF_INET6
               : !strcmp(kind, "smc") ? AF_SMC
               : !strcmp(kind, "kcm") ? AF_KCM
               : !strcmp(kind, "rds") ? AF_RDS
                                      : AF_INET;
  int protocol = !strcmp(kind, "mptcp") ? IPPROTO_MPTCP : 0;
  p->fd = socket(family, family == AF_KCM || family == AF_RDS ? SOCK_SEQPACKET : SOCK_STREAM, protocol);
  report(name, p->fd < 0 ? -1 : 0, 0, NULL, 0);
}

// connect:ADDRESS:PORT, on the present socket or a new one. A non-blocking one is waited for.
static void do_connect(struct peer* p, const char* name, const char* address) {
  struct sockaddr_storage to;
  socklen_t length = parse_address(address, &to);
  if (p->fd < 0) p->fd = socket(to.ss_family, SOCK_STREAM, 0);
  int result = connect(p->fd, (struct sockaddr*)&to, length);
  if (result && errno == EINPROGRESS && !strcmp(name, "connect")) {
    wait_for(p->fd, POLLOUT, p->wait_ms);
    socklen_t size = sizeof(errno);
    int err = 0;
    getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &size);
    errno = err;
    result = err ? -1 : 0;
  }
  report(name, result, 0, NULL, 0);
}

// bind:ADDRESS:PORT, on the present socket or a new one
static void do_bind(struct peer* p, const char* name, const char* address) {
  struct sockaddr_storage at;
  socklen_t length = parse_address(address, &at);
  int one = 1;
  if (p->fd < 0) p->fd = socket(at.ss_family, SOCK_STREAM, 0);
  setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  report(name, bind(p->fd, (struct sockaddr*)&at, length), 0, NULL, 0);
}

// route-by:ADDRESS, a segment routing header (RFC 8754) that leads over that host
static void route_by(struct peer* p, const char* name, const char* address) {
  struct {
    unsigned char next, length, type, left, last, flags;
    unsigned short tag;
    struct in6_addr segments[2];
  } header = {.length = 4, .type = 4, .left = 1, .last = 1};
  if (inet_pton(AF_INET6, address, &header.segments[1]) != 1) die("no IPv6 address: %s", address);
  report(name, setsockopt(p->fd, IPPROTO_IPV6, IPV6_RTHDR, &header, sizeof(header)), 0, NULL, 0);
}

static void do_disconnect(struct peer* p, const char* name, const char* argument) {
  struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  (void)argument;
  report(name, connect(p->fd, &unspecified, sizeof(unspecified)), 0, NULL, 0);
}

// What lies in the receive queue.
static void tell_queued(struct peer* p, const char* name, const char* argument) {
  int queued = -1;
  (void)argument;
  report(name, ioctl(p->fd, FIONREAD, &queued) ? -1 : queued, 0, NULL, 0);
}

// The traffic keys, as SOL_TLS gives them out: read-key:tx | rx
static void read_key(struct peer* p, const char* name, const char* direction) {
  char info[64];
  socklen_t length = 40;
  int result = getsockopt(p->fd, SOL_TLS, !strcmp(direction, "tx") ? TLS_TX : TLS_RX, info, &length);
  report(name, result, 0, NULL, 0);
}

static void do_listen(struct peer* p, const char* name, const char* address) {
  struct sockaddr_storage at;
  socklen_t length = parse_address(address, &at);
  int one = 1;
  p->listener = p->fd >= 0 ? p->fd : socket(at.ss_family, SOCK_STREAM, 0);
  p->fd = -1;
  setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  int result = bind(p->listener, (struct sockaddr*)&at, length) ?: listen(p->listener, 128);
  report(name, result, 0, NULL, 0);
  if (result) exit(1);
}

static void do_accept(struct peer* p, const char* name, const char* argument) {
  p->fd = accept4(p->listener, NULL, NULL, !strcmp(argument, "nb") ? SOCK_NONBLOCK : 0);
  report(name, p->fd < 0 ? -1 : 0, 0, NULL, 0);
}

static void set_blocking(struct peer* p, const char* name, const char* argument) {
  int flags = fcntl(p->fd, F_GETFL);
  (void)argument;
  fcntl(p->fd, F_SETFL, !strcmp(name, "nb") ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static void set_wait(struct peer* p, const char* name, const char* ms) {
  (void)name;
  p->wait_ms = atoi(ms);
}

static void do_shutdown(struct peer* p, const char* name, const char* what) {
  int how = !strcmp(what, "wr") ? SHUT_WR : !strcmp(what, "rd") ? SHUT_RD : SHUT_RDWR;
  report(name, shutdown(p->fd, how), 0, NULL, 0);
}

static void do_close(struct peer* p, const char* name, const char* argument) {
  if (!strcmp(argument, "reset")) {
    struct linger hard = {1, 0};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  }
  int fd = !strcmp(argument, "listener") ? p->listener : p->fd;
  report(name, close(fd), 0, NULL, 0);
  if (fd == p->fd) p->fd = -1;
}

// option:LEVEL,NAME,VALUE in numbers; `listener-option` for the listening socket
static void set_option(struct peer* p, const char* name, const char* argument) {
  int level, option, value;
  if (sscanf(argument, "%i,%i,%i", &level, &option, &value) != 3) die("option:%s", argument);
  int fd = *name == 'l' ? p->listener : p->fd;
  report(name, setsockopt(fd, level, option, &value, sizeof(value)), 0, NULL, 0);
}

// receive-timeout:MS and send-timeout:MS
static void set_timeout(struct peer* p, const char* name, const char* ms) {
  struct timeval timeout = {atoi(ms) / 1000, atoi(ms) % 1000 * 1000};
  int option = *name == 'r' ? SO_RCVTIMEO : SO_SNDTIMEO;
  report(name, setsockopt(p->fd, SOL_SOCKET, option, &timeout, sizeof(timeout)), 0, NULL, 0);
}

static void set_ulp(struct peer* p, const char* name, const char* ulp) {
  report(name, setsockopt(p->fd, IPPROTO_TCP, TCP_ULP, ulp, strlen(ulp)), 0, NULL, 0);
}

// A key of the program's own (include/uapi/linux/tls.h: TLS 1.3, AES-128-GCM): tls-key:tx | rx
static void set_key(struct peer* p, const char* name, const char* direction) {
  struct {
    unsigned short version, cipher;
    unsigned char rest[36];
  } info = {.version = TLS_1_3_VERSION, .cipher = TLS_CIPHER_AES_GCM_128};
  report(name, setsockopt(p->fd, SOL_TLS, !strcmp(direction, "tx") ? TLS_TX : TLS_RX, &info, sizeof(info)), 0,
         NULL, 0);
}

// Maps the receive queue, as TCP_ZEROCOPY_RECEIVE does for programs that ask for it; also lets it copy what it cannot map.
static void zerocopy_receive(struct peer* p, const char* name, const char* argument) {
  static char copied[4096];
  size_t room = 16 * 4096;
  void* at = mmap(NULL, room, PROT_READ, MAP_SHARED, p->fd, 0);
  struct tcp_zerocopy_receive z = {
      .address = at == MAP_FAILED ? 0 : (unsigned long)at,
      .length = at == MAP_FAILED ? 0 : (unsigned)room,
      .copybuf_address = (unsigned long)copied,
      .copybuf_len = sizeof(copied),
  };
  socklen_t length = sizeof(z);
  (void)argument;
  int result = getsockopt(p->fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &z, &length);
  if (result < 0) z.length = z.copybuf_len = 0;
  report(name, result < 0 ? -1 : (ssize_t)z.length + z.copybuf_len, 0, copied, (size_t)z.copybuf_len);
}

// The state the socket is in (include/net/tcp_states.h).
static void tell_state(struct peer* p, const char* name, const char* argument) {
  struct tcp_info info = {0};
  socklen_t length = sizeof(info);
  (void)argument;
  int result = getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &length);
  report(name, result ? -1 : info.tcpi_state, 0, NULL, 0);
}

static void tell_fd(struct peer* p, const char* name, const char* argument) {
  (void)argument;
  report(name, p->fd, 0, NULL, 0);
}

// await-state:N, poll for the socket's state to become N: 8 is CLOSE_WAIT
static void await_state(struct peer* p, const char* name, const char* wanted) {
  struct tcp_info info = {0};
  long until = now_ms() + p->wait_ms;
  do {
    socklen_t length = sizeof(info);
    if (getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &length)) break;
    usleep(2000);
  } while (info.tcpi_state != atoi(wanted) && now_ms() < until);
  report(name, info.tcpi_state, 0, NULL, 0);
}

const struct op socket_ops[] = {
    {"socket", make_socket},
    {"connect", do_connect},
    {"connect-begin", do_connect},
    {"bind", do_bind},
    {"queued", tell_queued},
    {"route-by", route_by},
    {"read-key", read_key},
    {"disconnect", do_disconnect},
    {"listen", do_listen},
    {"accept", do_accept},
    {"nb", set_blocking},
    {"block", set_blocking},
    {"wait-ms", set_wait},
    {"shutdown", do_shutdown},
    {"close", do_close},
    {"option", set_option},
    {"listener-option", set_option},
    {"receive-timeout", set_timeout},
    {"send-timeout", set_timeout},
    {"ulp", set_ulp},
    {"tls-key", set_key},
    {"zerocopy-receive", zerocopy_receive},
    {"state", tell_state},
    {"fd", tell_fd},
    {"await-state", await_state},
    {NULL, NULL},
};
