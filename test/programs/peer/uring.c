// SPDX-License-Identifier: Apache-2.0
// io_uring by bare system calls: one request at a time, waited for.
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

static int ring = -1;
static char* base;
static struct io_uring_sqe* sqes;
static struct io_uring_params params;

// ring: makes it, with a table of 4 direct descriptors; ring:sqpoll with a kernel thread that submits
static void make_ring(struct peer* p, const char* name, const char* kind) {
  int none[4] = {-1, -1, -1, -1};
  (void)p;
  if (!strcmp(kind, "sqpoll")) params.flags = IORING_SETUP_SQPOLL;
  ring = (int)syscall(SYS_io_uring_setup, 8, &params);
  report(name, ring < 0 ? -1 : 0, 0, NULL, 0);
  if (ring < 0) return;
  size_t bytes = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
  base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
  sqes = mmap(NULL, params.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
              ring, IORING_OFF_SQES);
  if (base == MAP_FAILED || sqes == MAP_FAILED) die("io_uring mmap: %m");
  syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, none, 4);
}

// Submits the request and waits for its completion outside io_uring_enter(), as event loops do, up to wait_ms. ETIME: none came.
static int run(struct peer* p, const struct io_uring_sqe* request) {
  unsigned* tail = (unsigned*)(base + params.sq_off.tail);
  unsigned* array = (unsigned*)(base + params.sq_off.array);
  unsigned at = *tail & (params.sq_entries - 1);
  sqes[at] = *request;
  array[at] = at;
  __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
  unsigned flags = params.flags & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0;
  if (syscall(SYS_io_uring_enter, ring, 1, 0, flags, NULL, 0) < 0) return -errno;
  unsigned* head = (unsigned*)(base + params.cq_off.head);
  unsigned* ready = (unsigned*)(base + params.cq_off.tail);
  long until = now_ms() + p->wait_ms;
  while (__atomic_load_n(ready, __ATOMIC_ACQUIRE) == *head) {
    if (now_ms() > until) return -ETIME;
    wait_for(ring, POLLIN, 100);
  }
  struct io_uring_cqe* cqes = (struct io_uring_cqe*)(base + params.cq_off.cqes);
  int result = cqes[*head & (params.cq_entries - 1)].res;
  __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
  return result;
}

static void tell(const char* name, int result, const void* data, size_t length) {
  if (result < 0) errno = -result;
  report(name, result < 0 ? -1 : result, 0, data, length);
}

// Requests go to slot 0 of the ring's own table, where the socket has no descriptor.
static bool direct;

// A socket that never has a descriptor.
static void u_socket(struct peer* p, const char* name, const char* argument) {
  struct io_uring_sqe s = {
      .opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM, .len = 0, .file_index = 1};
  (void)argument;
  int result = run(p, &s);
  direct = true;
  tell(name, result, NULL, 0);
}

static void u_connect(struct peer* p, const char* name, const char* address) {
  struct sockaddr_storage to;
  socklen_t length = parse_address(address, &to);
  if (!direct) p->fd = socket(to.ss_family, SOCK_STREAM, 0);
  struct io_uring_sqe s = {.opcode = IORING_OP_CONNECT,
                           .fd = direct ? 0 : p->fd,
                           .flags = direct ? IOSQE_FIXED_FILE : 0,
                           .addr = (unsigned long)&to,
                           .off = length};
  tell(name, run(p, &s), NULL, 0);
}

static void u_shutdown(struct peer* p, const char* name, const char* argument) {
  struct io_uring_sqe s = {.opcode = IORING_OP_SHUTDOWN, .fd = p->fd, .len = SHUT_WR};
  (void)argument;
  tell(name, run(p, &s), NULL, 0);
}

// u-accept, or u-accept:direct into slot 0
static void u_accept(struct peer* p, const char* name, const char* kind) {
  struct io_uring_sqe s = {.opcode = IORING_OP_ACCEPT, .fd = p->listener};
  direct = !strcmp(kind, "direct");
  if (direct) s.file_index = 1;
  int result = run(p, &s);
  if (!direct) p->fd = result;
  tell(name, result < 0 ? result : 0, NULL, 0);
}

static void u_move(struct peer* p, const char* name, const char* argument) {
  static char buffer[2048];
  bool in = !strcmp(name, "u-recv") || !strcmp(name, "u-read");
  bool plain = !strcmp(name, "u-write") || !strcmp(name, "u-read");
  bool zerocopy = !strcmp(name, "u-send-zc");
  size_t length = in ? sizeof(buffer) : strlen(argument);
  if (!in) memcpy(buffer, argument, length);
  struct io_uring_sqe s = {
      .opcode = zerocopy ? IORING_OP_SEND_ZC
                : in     ? (plain ? IORING_OP_READ : IORING_OP_RECV)
                         : (plain ? IORING_OP_WRITE : IORING_OP_SEND),
      .fd = direct ? 0 : p->fd,
      .flags = direct ? IOSQE_FIXED_FILE : 0,
      .addr = (unsigned long)buffer,
      .len = (unsigned)length,
      .off = plain ? (__u64)-1 : 0,
  };
  int result = run(p, &s);
  tell(name, result, buffer, in && result > 0 ? (size_t)result : 0);
}

// IORING_OP_SPLICE, always done by a worker thread: u-splice:TEXT, u-splice-in
static void u_splice(struct peer* p, const char* name, const char* argument) {
  int ends[2];
  char buffer[2048];
  bool in = !strcmp(name, "u-splice-in");
  size_t length = in ? sizeof(buffer) : strlen(argument);
  if (pipe(ends) || (!in && write(ends[1], argument, length) != (ssize_t)length)) die("pipe");
  struct io_uring_sqe s = {.opcode = IORING_OP_SPLICE,
                           .fd = in ? ends[1] : p->fd,
                           .splice_fd_in = in ? p->fd : ends[0],
                           .off = (__u64)-1,
                           .splice_off_in = (__u64)-1,
                           .len = (unsigned)length};
  int result = run(p, &s);
  if (in && result > 0 && read(ends[0], buffer, sizeof(buffer)) != result) die("pipe");
  tell(name, result, buffer, in && result > 0 ? (size_t)result : 0);
  close(ends[0]);
  close(ends[1]);
}

const struct op uring_ops[] = {
    {"ring", make_ring},    {"u-connect", u_connect},   {"u-accept", u_accept},
    {"u-send", u_move},     {"u-recv", u_move},         {"u-read", u_move},
    {"u-write", u_move},    {"u-splice", u_splice},     {"u-splice-in", u_splice},
    {"u-socket", u_socket}, {"u-shutdown", u_shutdown}, {"u-send-zc", u_move},
    {NULL, NULL},
};
