// SPDX-License-Identifier: Apache-2.0
// Every way to move a byte through a socket.
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "peer.h"

typedef ssize_t (*mover)(int fd, void* data, size_t length);

static ssize_t by_write(int fd, void* d, size_t n) {
  return write(fd, d, n);
}
static ssize_t by_writev(int fd, void* d, size_t n) {
  struct iovec two[2] = {{d, n / 2}, {(char*)d + n / 2, n - n / 2}};
  return writev(fd, two, 2);
}
static ssize_t by_send(int fd, void* d, size_t n) {
  return send(fd, d, n, 0);
}
static ssize_t by_send_dontwait(int fd, void* d, size_t n) {
  return send(fd, d, n, MSG_DONTWAIT);
}
static ssize_t by_send_zerocopy(int fd, void* d, size_t n) {
  return send(fd, d, n, MSG_ZEROCOPY);
}
static ssize_t by_send_oob(int fd, void* d, size_t n) {
  return send(fd, d, n, MSG_OOB);
}
static ssize_t by_sendmsg(int fd, void* d, size_t n) {
  struct iovec one = {d, n};
  struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1};
  return sendmsg(fd, &m, 0);
}
static ssize_t sendmmsg_parts(int fd, char* d, size_t n, unsigned parts) {
  struct iovec pieces[2] = {{d, n / parts}, {d + n / parts, n - n / parts}};
  struct mmsghdr m[2] = {{{.msg_iov = &pieces[0], .msg_iovlen = 1}, 0},
                         {{.msg_iov = &pieces[1], .msg_iovlen = 1}, 0}};
  int sent = sendmmsg(fd, m, parts, 0);
  return sent < 0 ? -1 : sent == 0 ? 0 : (ssize_t)(m[0].msg_len + (sent > 1 ? m[1].msg_len : 0));
}
static ssize_t by_sendmmsg(int fd, void* d, size_t n) {
  return sendmmsg_parts(fd, d, n, 1);
}
static ssize_t by_sendmmsg_two(int fd, void* d, size_t n) {
  return sendmmsg_parts(fd, d, n, 2);
}
static ssize_t by_sendfile(int fd, void* d, size_t n) {
  int file = memfd_create("sendfile", 0);
  off_t at = 0;
  if (write(file, d, n) != (ssize_t)n) die("memfd");
  ssize_t result = sendfile(fd, file, &at, n);
  int err = errno;
  close(file);
  errno = err;
  return result;
}
static ssize_t splice_out(int fd, void* d, size_t n, unsigned flags) {
  int ends[2];
  if (pipe(ends) || write(ends[1], d, n) != (ssize_t)n) die("pipe");
  ssize_t result = splice(ends[0], NULL, fd, NULL, n, flags);
  int err = errno;
  close(ends[0]);
  close(ends[1]);
  errno = err;
  return result;
}
static ssize_t by_splice(int fd, void* d, size_t n) {
  return splice_out(fd, d, n, 0);
}
static ssize_t by_splice_nonblock(int fd, void* d, size_t n) {
  return splice_out(fd, d, n, SPLICE_F_NONBLOCK);
}

// From the program's own pages by way of two pipes.
static ssize_t by_vmsplice(int fd, void* d, size_t n) {
  int first[2], second[2];
  struct iovec one = {d, n};
  if (pipe(first) || pipe(second) || vmsplice(first[1], &one, 1, 0) != (ssize_t)n ||
      tee(first[0], second[1], n, 0) != (ssize_t)n)
    die("vmsplice: %m");
  ssize_t result = splice(second[0], NULL, fd, NULL, n, 0);
  int err = errno;
  for (int i = 0; i < 2; i++) close(first[i]), close(second[i]);
  errno = err;
  return result;
}
// With an address, which a connected TCP socket does not look at.
static ssize_t by_sendto(int fd, void* d, size_t n) {
  struct sockaddr_storage to;
  socklen_t length = sizeof(to);
  if (getpeername(fd, (struct sockaddr*)&to, &length)) return -1;
  return sendto(fd, d, n, 0, (struct sockaddr*)&to, length);
}
// From the second message on, with the address of the first, the kernel asks no security module (net/socket.c, ___sys_sendmsg).
static ssize_t by_sendmmsg_named(int fd, void* d, size_t n) {
  struct sockaddr_storage to;
  socklen_t length = sizeof(to);
  struct iovec pieces[2] = {{d, n / 2}, {(char*)d + n / 2, n - n / 2}};
  struct mmsghdr m[2];
  memset(m, 0, sizeof(m));
  if (getpeername(fd, (struct sockaddr*)&to, &length)) return -1;
  for (int i = 0; i < 2; i++)
    m[i].msg_hdr =
        (struct msghdr){.msg_name = &to, .msg_namelen = length, .msg_iov = &pieces[i], .msg_iovlen = 1};
  int sent = sendmmsg(fd, m, 2, 0);
  return sent < 0 ? -1 : (ssize_t)(m[0].msg_len + (sent > 1 ? m[1].msg_len : 0));
}
static ssize_t by_aio(int fd, void* d, size_t n, int opcode) {
  aio_context_t context = 0;
  struct iocb one = {.aio_fildes = (unsigned)fd,
                     .aio_lio_opcode = (unsigned short)opcode,
                     .aio_buf = (unsigned long)d,
                     .aio_nbytes = n};
  struct iocb* list[1] = {&one};
  struct io_event event = {0};
  if (syscall(SYS_io_setup, 1, &context)) die("io_setup: %m");
  long result = syscall(SYS_io_submit, context, 1, list);
  if (result == 1) result = syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
  int err = errno;
  syscall(SYS_io_destroy, context);
  if (result == 1 && event.res < 0) err = (int)-event.res;
  errno = err;
  return result == 1 && event.res >= 0 ? (ssize_t)event.res : -1;
}
static ssize_t by_aio_write(int fd, void* d, size_t n) {
  return by_aio(fd, d, n, IOCB_CMD_PWRITE);
}
static ssize_t by_aio_read(int fd, void* d, size_t n) {
  return by_aio(fd, d, n, IOCB_CMD_PREAD);
}

static ssize_t by_read(int fd, void* d, size_t n) {
  return read(fd, d, n);
}
static ssize_t by_readv(int fd, void* d, size_t n) {
  struct iovec one = {d, n};
  return readv(fd, &one, 1);
}
static ssize_t by_recv(int fd, void* d, size_t n) {
  return recv(fd, d, n, 0);
}
static ssize_t by_recv_dontwait(int fd, void* d, size_t n) {
  return recv(fd, d, n, MSG_DONTWAIT);
}
static ssize_t by_recv_waitall(int fd, void* d, size_t n) {
  return recv(fd, d, n, MSG_WAITALL);
}
static ssize_t by_peek(int fd, void* d, size_t n) {
  return recv(fd, d, n, MSG_PEEK);
}
static ssize_t by_recv_oob(int fd, void* d, size_t n) {
  return recv(fd, d, n, MSG_OOB);
}
static ssize_t by_recv_errqueue(int fd, void* d, size_t n) {
  return recv(fd, d, n, MSG_ERRQUEUE);
}
static ssize_t by_recv_trunc(int fd, void* d, size_t n) {
  return recv(fd, d, n, MSG_TRUNC | MSG_PEEK);
}
static ssize_t by_recvmsg(int fd, void* d, size_t n) {
  struct iovec one = {d, n};
  struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1};
  return recvmsg(fd, &m, 0);
}
static ssize_t by_recvmmsg(int fd, void* d, size_t n) {
  struct iovec one = {d, n};
  struct mmsghdr m = {{.msg_iov = &one, .msg_iovlen = 1}, 0};
  int got = recvmmsg(fd, &m, 1, 0, NULL);
  return got < 0 ? -1 : (ssize_t)m.msg_len;
}
static ssize_t splice_in(int fd, void* d, size_t n, unsigned flags) {
  int ends[2];
  if (pipe(ends)) die("pipe");
  ssize_t result = splice(fd, NULL, ends[1], NULL, n, flags);
  int err = errno;
  if (result > 0 && read(ends[0], d, n) != result) die("pipe");
  close(ends[0]);
  close(ends[1]);
  errno = err;
  return result;
}
static ssize_t by_splice_in(int fd, void* d, size_t n) {
  return splice_in(fd, d, n, 0);
}
static ssize_t by_splice_in_nonblock(int fd, void* d, size_t n) {
  return splice_in(fd, d, n, SPLICE_F_NONBLOCK);
}

static const struct {
  const char* name;
  mover move;
  bool in;
} ways[] = {
    {"write", by_write, false},
    {"writev", by_writev, false},
    {"send", by_send, false},
    {"send-dontwait", by_send_dontwait, false},
    {"send-zerocopy", by_send_zerocopy, false},
    {"send-oob", by_send_oob, false},
    {"sendmsg", by_sendmsg, false},
    {"sendmmsg", by_sendmmsg, false},
    {"sendmmsg-two", by_sendmmsg_two, false},
    {"sendfile", by_sendfile, false},
    {"splice", by_splice, false},
    {"splice-nonblock", by_splice_nonblock, false},
    {"vmsplice", by_vmsplice, false},
    {"sendto", by_sendto, false},
    {"sendmmsg-named", by_sendmmsg_named, false},
    {"aio-write", by_aio_write, false},
    {"read", by_read, true},
    {"aio-read", by_aio_read, true},
    {"recv-errqueue", by_recv_errqueue, true},
    {"recv-trunc", by_recv_trunc, true},
    {"readv", by_readv, true},
    {"recv", by_recv, true},
    {"recv-dontwait", by_recv_dontwait, true},
    {"recv-waitall", by_recv_waitall, true},
    {"peek", by_peek, true},
    {"recv-oob", by_recv_oob, true},
    {"recvmsg", by_recvmsg, true},
    {"recvmmsg", by_recvmmsg, true},
    {"splice-in", by_splice_in, true},
    {"splice-in-nonblock", by_splice_in_nonblock, true},
};

// WAY:TEXT for those that send, WAY:BYTES (default 2000) for those that receive. EAGAIN is tried again until wait_ms are over.
static void move(struct peer* p, const char* name, const char* argument) {
  char buffer[2048];
  size_t way = 0;
  while (strcmp(ways[way].name, name)) way++;
  bool in = ways[way].in;
  size_t length =
      in ? (*argument ? (size_t)atoi(argument) : 2000) : unescape(argument, buffer, sizeof(buffer));
  long until = now_ms() + p->wait_ms;
  int tries = 0;
  ssize_t result;
  while ((result = ways[way].move(p->fd, buffer, length)) < 0 && errno == EAGAIN && now_ms() < until) {
    tries++;
    wait_for(p->fd, in ? POLLIN : POLLOUT, 100);
    errno = EAGAIN;
  }
  report(name, result, tries, buffer, in && result > 0 ? (size_t)result : 0);
}

// Only one attempt, whatever comes: once:WAY:ARGUMENT
static void move_once(struct peer* p, const char* name, const char* argument) {
  int wait_ms = p->wait_ms;
  char* way = strdup(argument);
  char* rest = strchr(way, ':');
  (void)name;
  if (rest) *rest++ = 0;
  p->wait_ms = -1;
  move(p, way, rest ? rest : "");
  p->wait_ms = wait_ms;
}

// Reads to the end of file or an error; the result is the number of bytes, the data their beginning.
static void do_cat(struct peer* p, const char* name, const char* argument) {
  static __thread char all[2000], chunk[65536];
  ssize_t total = 0, n;
  int tries = 0;
  long until = now_ms() + p->wait_ms;
  (void)argument;
  for (;;) {
    n = read(p->fd, chunk, sizeof(chunk));
    if (n < 0 && errno == EAGAIN && now_ms() < until) {
      tries++;
      wait_for(p->fd, POLLIN, 100);
      continue;
    }
    if (n <= 0) break;
    for (ssize_t i = 0; i < n && total + i < (ssize_t)sizeof(all); i++) all[total + i] = chunk[i];
    total += n;
  }
  report(name, n < 0 ? -1 : total, tries, all,
         (size_t)(total < (ssize_t)sizeof(all) ? total : (ssize_t)sizeof(all)));
}

// flood:BYTES, zeros by write()
static void do_flood(struct peer* p, const char* name, const char* argument) {
  static __thread char zeros[65536];
  long left = atol(argument), sent = 0;
  int tries = 0;
  ssize_t n = 0;
  while (left > 0) {
    n = write(p->fd, zeros, left < (long)sizeof(zeros) ? (size_t)left : sizeof(zeros));
    if (n < 0 && errno == EAGAIN) {
      tries++;
      wait_for(p->fd, POLLOUT, 100);
      continue;
    }
    if (n < 0) break;
    left -= n;
    sent += n;
  }
  report(name, n < 0 ? -1 : sent, tries, NULL, 0);
}

// sendto() with MSG_FASTOPEN: fastopen:ADDRESS:PORT,TEXT
static void fast_open(struct peer* p, const char* name, const char* argument) {
  struct sockaddr_storage to;
  char* address = strdup(argument);
  char* text = strchr(address, ',');
  if (!text) die("fastopen:%s", argument);
  *text++ = 0;
  socklen_t length = parse_address(address, &to);
  if (p->fd < 0) p->fd = socket(to.ss_family, SOCK_STREAM, 0);
  report(name, sendto(p->fd, text, strlen(text), MSG_FASTOPEN, (struct sockaddr*)&to, length), 0, NULL, 0);
}

// Each name is in both tables: the interpreter looks for it here, move() there.
#define WAY(name) \
  { name, move }
const struct op move_ops[] = {
    WAY("write"),          WAY("writev"),
    WAY("send"),           WAY("send-dontwait"),
    WAY("send-zerocopy"),  WAY("send-oob"),
    WAY("sendmsg"),        WAY("sendmmsg"),
    WAY("sendmmsg-two"),   WAY("sendfile"),
    WAY("splice"),         WAY("splice-nonblock"),
    WAY("vmsplice"),       WAY("sendto"),
    WAY("sendmmsg-named"), WAY("aio-write"),
    WAY("read"),           WAY("aio-read"),
    WAY("recv-errqueue"),  WAY("recv-trunc"),
    WAY("readv"),          WAY("recv"),
    WAY("recv-dontwait"),  WAY("recv-waitall"),
    WAY("peek"),           WAY("recv-oob"),
    WAY("recvmsg"),        WAY("recvmmsg"),
    WAY("splice-in"),      WAY("splice-in-nonblock"),
    {"once", move_once},   {"cat", do_cat},
    {"flood", do_flood},   {"fastopen", fast_open},
    {NULL, NULL},
};
