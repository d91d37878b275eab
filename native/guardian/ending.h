/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends held connections. SOCK_DESTROY takes the socket's lock, which a program may keep for as long as it likes, and nothing interrupts who
 * waits for it. So it is done by children: they take one connection after the other, and when one does not come on, another one goes on
 * behind it. Those that are stuck in the end are killed, and end when the kernel lets them; they have nothing of ours, no lock above all.
 *
 * A process at whose connection a child is stuck has its others ended after everybody else's; and so are connections whose lock somebody
 * had when they were listed: before 6.9 SOCK_DESTROY waits with locks that all of its kind on the machine need.
 */
#ifndef TLSHUB_ENDING_H
#define TLSHUB_ENDING_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../bpf/tlshub.h"

/* Connections that one reading of the list remembers: memory is taken at start, when there is some. */
#define MOST_HELD 8192
/* Children at once, all of them stuck but the last. */
#define MOST_CHILDREN 128
/* How long a child may be at one connection until another goes on behind it, and how long all of them may be when nothing is left. */
#define PATIENCE_MS 50
#define LAST_PATIENCE_MS 500

/* starttime, field 22 of /proc/PID/stat, in ticks; the name may hold spaces and brackets, so count from behind the last one */
static int is_process(uint32_t tgid, uint64_t start_boottime) {
  char path[64], line[1024];
  snprintf(path, sizeof(path), "/proc/%u/stat", tgid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, line, sizeof(line) - 1);
  close(fd);
  if (n <= 0) return 0;
  line[n] = 0;
  char* at = strrchr(line, ')');
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  return at &&
         strtoull(at + 1, NULL, 10) == start_boottime / (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* What it takes to end a connection. */
struct held {
  struct tlshub_tuple tuple;
  uint64_t cookie;
  uint64_t start_boottime;
  uint32_t tgid;
  uint32_t locked; /* a system call had the socket's lock: it may be long */
};

static int destroy(int netlink, const struct held* h) {
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  int v4 = !memcmp(h->tuple.remote, mapped, sizeof(mapped));
  struct {
    struct nlmsghdr header;
    struct inet_diag_req_v2 request;
  } message;
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
    char rest[512];
  } reply;
  memset(&message, 0, sizeof(message));
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DESTROY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  message.request.sdiag_family = v4 ? AF_INET : AF_INET6;
  message.request.sdiag_protocol = 6;
  message.request.idiag_states = ~0u;
  message.request.id.idiag_sport = htons(h->tuple.lport);
  message.request.id.idiag_dport = htons(h->tuple.rport);
  memcpy(message.request.id.idiag_src, h->tuple.local + (v4 ? 12 : 0), v4 ? 4 : 16);
  memcpy(message.request.id.idiag_dst, h->tuple.remote + (v4 ? 12 : 0), v4 ? 4 : 16);
  message.request.id.idiag_cookie[0] = (uint32_t)h->cookie;
  message.request.id.idiag_cookie[1] = (uint32_t)(h->cookie >> 32);
  if (send(netlink, &message, sizeof(message), 0) < 0 || recv(netlink, &reply, sizeof(reply), 0) < 0)
    return 0;
  return reply.header.nlmsg_type == NLMSG_ERROR && reply.error.error == 0;
}

/* The same in the network namespace of the program that has the socket. We stay there: the first socket's namespace is its own. */
static int destroy_at_owner(const struct held* h) {
  int done = 0;
  if (!h->tgid) return 0;
  int pidfd = (int)syscall(SYS_pidfd_open, h->tgid, 0);
  if (pidfd < 0) return 0;
  if (is_process(h->tgid, h->start_boottime) && setns(pidfd, CLONE_NEWNET) == 0) {
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink >= 0) {
      done = destroy(netlink, h);
      close(netlink);
    }
  }
  close(pidfd);
  return done;
}

/* Between us and the children. */
struct ending {
  uint32_t next;                 /* connection, to be taken */
  uint32_t last;                 /* those that were left have their turn */
  uint32_t ended;                /* connections */
  uint32_t at[MOST_CHILDREN];    /* each child's */
  uint32_t stuck[MOST_CHILDREN]; /* processes at whose connections children are stuck */
  uint8_t taken[MOST_HELD];
  struct held held[MOST_HELD];
};
static struct ending* ending;

static int prepare_ending(void) {
  ending = mmap(NULL, sizeof(*ending), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (ending == MAP_FAILED) {
    perror("tlshub-guardian: mmap");
    return 1;
  }
  /* Nobody waits for children: there is a pidfd of each. */
  signal(SIGCHLD, SIG_IGN);
  return 0;
}

static int is_stuck(uint32_t tgid) {
  for (int i = 0; i < MOST_CHILDREN; i++)
    if (tgid && __atomic_load_n(&ending->stuck[i], __ATOMIC_RELAXED) == tgid) return 1;
  return 0;
}

/* What a child does. */
static void end_some(int child, size_t found) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* The lock of the pins is among them, and must not outlive its owner. */
  syscall(SYS_close_range, 0, ~0u, 0);
  int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  for (uint32_t i; (i = __atomic_fetch_add(&ending->next, 1, __ATOMIC_RELAXED)) < found;) {
    const struct held* h = &ending->held[i];
    int later = h->locked || is_stuck(h->tgid);
    if (ending->taken[i] || (later && !__atomic_load_n(&ending->last, __ATOMIC_RELAXED))) continue;
    __atomic_store_n(&ending->at[child], i, __ATOMIC_RELAXED);
    ending->taken[i] = 1;
    if (destroy(netlink, h) || destroy_at_owner(h)) __atomic_fetch_add(&ending->ended, 1, __ATOMIC_RELAXED);
  }
  _exit(0);
}

struct children {
  int count;
  int pidfds[MOST_CHILDREN];
};

static int has_ended(int pidfd, int within_ms) {
  struct pollfd end = {pidfd, POLLIN, 0};
  return poll(&end, 1, within_ms) != 0;
}

static int start_child(struct children* all, size_t found) {
  if (all->count == MOST_CHILDREN) return 0;
  pid_t pid = fork();
  if (pid == 0) end_some(all->count, found);
  int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
  /* A child that has ended and was not waited for has no number any more. */
  if (pidfd < 0) return pid > 0;
  all->pidfds[all->count++] = pidfd;
  return 1;
}

static void end_round(struct children* all, size_t found, uint32_t last, int (*go_on)(void)) {
  uint32_t seen = 0;
  __atomic_store_n(&ending->last, last, __ATOMIC_RELAXED);
  __atomic_store_n(&ending->next, 0, __ATOMIC_RELAXED);
  int alive = start_child(all, found);
  while (alive && __atomic_load_n(&ending->next, __ATOMIC_RELAXED) < found && go_on()) {
    int newest = all->count - 1;
    if (newest < 0 || has_ended(all->pidfds[newest], PATIENCE_MS)) {
      if (__atomic_load_n(&ending->next, __ATOMIC_RELAXED) < found) alive = start_child(all, found);
      continue;
    }
    uint32_t next = __atomic_load_n(&ending->next, __ATOMIC_RELAXED);
    if (next == seen) {
      uint32_t at = __atomic_load_n(&ending->at[newest], __ATOMIC_RELAXED);
      __atomic_store_n(&ending->stuck[newest], ending->held[at].tgid, __ATOMIC_RELAXED);
      alive = start_child(all, found);
    }
    seen = next;
  }
}

/* Ends the first `found` of ending->held, for as long as `go_on` says so, which is asked all the time. Returns how many were ended. */
static size_t end_all(size_t found, int (*go_on)(void)) {
  static struct children all;
  all.count = 0;
  ending->ended = 0;
  memset(ending->at, 0, sizeof(ending->at));
  memset(ending->stuck, 0, sizeof(ending->stuck));
  memset(ending->taken, 0, sizeof(ending->taken));
  end_round(&all, found, 0, go_on);
  end_round(&all, found, 1, go_on);
  int left_ms = LAST_PATIENCE_MS;
  for (int i = 0; i < all.count; i++) {
    while (left_ms > 0 && go_on() && !has_ended(all.pidfds[i], PATIENCE_MS)) left_ms -= PATIENCE_MS;
    syscall(SYS_pidfd_send_signal, all.pidfds[i], SIGKILL, NULL, 0);
    close(all.pidfds[i]);
  }
  return __atomic_load_n(&ending->ended, __ATOMIC_RELAXED);
}

#endif
