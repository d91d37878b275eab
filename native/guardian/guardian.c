// SPDX-License-Identifier: Apache-2.0
/*
 * tlshub-guardian: outlives the agent by a moment, so that nobody is left standing.
 *
 *   tlshub-guardian --agent-pid PID --pin-dir DIR --lease-ms N --grace-ms N
 *
 * While the agent lives it does nothing but renew its own lease: the gate stops a process only while both leases are valid. When the
 * agent dies, or hangs so that its lease runs out, it continues every process in the "stops" map. If no new agent renews the agent's lease within the grace period, it ends
 * the connections that are still held, so that programs asleep on them wake up and hear of it. The gate itself stays shut.
 * Of the holder, on which threads sleep, it sees that it answers.
 *
 * An agent that goes in good order and leaves its gate to the next one says so by SIGUSR1. Then who is held stays held for the grace period: the
 * guardian vouches for the agent that is to come.
 *
 * Static, no libraries, raw bpf(2) calls on pinned maps, and a cgroup of its own: what kills the agent should not reach it.
 * SIGTERM ends it without a word: the agent is going in good order. Exit status 0, 1 on a failed system call, 64 on bad arguments.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../bpf/abi.generated.h"
#include "../../bpf/records.h"

/* No record is longer, whatever its head says. */
#define PIECE_BYTES 65536
/* How often the list of held connections is read if there are more than MOST_HELD: a program that opens connections faster than they are
 * ended must not keep us for ever. */
#define MOST_READINGS 64
/* How often who stands still is let ask again while no agent is there: naps end, and whoever waits for what has gone with the agent goes on. */
#define LET_ASK_MS 250

#include "ending.h"

static const char* pin_dir;
static struct tlshub_leases* leases;
static uint64_t lease_ns;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void say(const char* format, uint64_t a, uint64_t b) {
  fprintf(stderr, "tlshub-guardian: ");
  fprintf(stderr, format, (unsigned long long)a, (unsigned long long)b);
  fputc('\n', stderr);
}

static int open_map(const char* name) {
  char path[512];
  union bpf_attr attr;
  snprintf(path, sizeof(path), "%s/maps/%s", pin_dir, name);
  memset(&attr, 0, sizeof(attr));
  attr.pathname = (uint64_t)(uintptr_t)path;
  int fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
  if (fd < 0) {
    fprintf(stderr, "tlshub-guardian: %s: %s\n", path, strerror(errno));
    exit(1);
  }
  return fd;
}

static int map_call(int command, int fd, const void* key, void* out) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof(attr));
  attr.map_fd = (uint32_t)fd;
  attr.key = (uint64_t)(uintptr_t)key;
  attr.value = (uint64_t)(uintptr_t)out; /* a union with next_key */
  return (int)syscall(SYS_bpf, command, &attr, sizeof(attr));
}

static void renew(void) {
  __atomic_store_n(&leases->guardian_until_ns, now_ns() + lease_ns, __ATOMIC_RELEASE);
}

static uint64_t continue_all(int stops, int user_stops) {
  struct tlshub_stop_key key, next;
  struct tlshub_stop stop;
  uint64_t n = 0, user;
  /* Whoever adds to the map faster than this must not keep us from what comes after. */
  unsigned most = 2 * TLSHUB_MAX_HELD;
  /* Each round takes the first: entries go as they are dealt with. New ones cannot come: the gate sees the agent's lease run out,
   * and until then stops whom the next round continues. */
  while (most-- && map_call(BPF_MAP_GET_NEXT_KEY, stops, NULL, &next) == 0) {
    key = next;
    int found = map_call(BPF_MAP_LOOKUP_ELEM, stops, &key, &stop) == 0;
    /* The record goes first: the gate looks for it after its SIGSTOP, and undoes that itself when we were faster. */
    if (map_call(BPF_MAP_DELETE_ELEM, stops, &key, NULL) && errno != ENOENT) break;
    int pidfd = found ? (int)syscall(SYS_pidfd_open, key.tgid, 0) : -1;
    if (pidfd < 0) continue;
    int by_user =
        map_call(BPF_MAP_LOOKUP_ELEM, user_stops, &key.tgid, &user) == 0 && user == stop.start_boottime;
    if (!by_user && is_process(key.tgid, stop.start_boottime))
      n += syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0) == 0;
    close(pidfd);
  }
  return n;
}

static int is_held(const struct tlshub_sweep* s) {
  return s->flow.flow_class == CLASS_MESH && s->socket.sk_state != STATE_CLOSE &&
         s->socket.sk_state != STATE_LISTEN && s->socket.encrypts != (TLSHUB_TX | TLSHUB_RX) &&
         s->flow.established_ns;
}

/*
 * The flows that are held, but for the first `skip`, as the pinned sweep iterator tells them, which knows no network namespaces. The list is
 * read to its end before the first socket is ended: the iterator stands on one. Returns how many, at most MOST_HELD.
 */
static size_t read_held(struct held* held, size_t skip) {
  static char piece[PIECE_BYTES];
  char path[512];
  size_t n = 0, have = 0;
  ssize_t got = -1;
  snprintf(path, sizeof(path), "%s/sweep", pin_dir);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  while (fd >= 0) {
    got = read(fd, piece + have, sizeof(piece) - have);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) break;
    struct tlshub_walk walk = {piece, have + (size_t)got};
    struct tlshub_head head;
    struct tlshub_sweep s;
    for (const void* record; (record = tlshub_next_record(&walk, &head));) {
      if (head.type != RECORD_SOCKET && head.type != RECORD_SECURED_SOCKET) continue;
      memcpy(&s, record, sizeof(s));
      if (!is_held(&s) || n == MOST_HELD) continue;
      if (skip)
        skip--;
      else
        held[n++] = (struct held){s.flow.tuple, s.flow.cookie, s.owner.start_boottime, s.owner.tgid,
                                  s.socket.traffic & TRAFFIC_LOCKED};
    }
    /* The next piece goes on in the middle of a record. */
    have = walk.left;
    memmove(piece, walk.at, have);
  }
  if (got < 0) fprintf(stderr, "tlshub-guardian: %s: %s\n", path, strerror(errno));
  if (got == 0 && have) fprintf(stderr, "tlshub-guardian: %s ends in a record\n", path);
  if (fd >= 0) close(fd);
  return n;
}

/* Until the agent is there again, if it comes: `renewing` is for as long as it may, and keeps our own lease. */
static int renewing;
static uint64_t gone_until; /* the agent's lease as it was when it was given up */
static uint64_t agent_until(void);

static int go_on(void) {
  if (renewing) renew();
  return agent_until() == gone_until;
}

static uint64_t destroy_held(void) {
  uint64_t n = 0;
  size_t found = MOST_HELD, left = 0; /* that could not be ended: the next reading begins behind them */
  gone_until = agent_until();
  for (int reading = 0; found == MOST_HELD && reading < MOST_READINGS && go_on(); reading++) {
    found = read_held(ending->held, left);
    size_t ended = end_all(found, go_on);
    n += ended;
    left += found - ended;
  }
  return n;
}

static uint64_t agent_until(void) {
  return __atomic_load_n(&leases->agent_until_ns, __ATOMIC_ACQUIRE);
}

/*
 * A holder (native/holder) that answers renews its lease. One that does not is killed, so that the kernel wakes those who sleep by it: stopped, or
 * at something that does not end, it would keep them even from being killed. Its lease is looked at twice: if the whole machine has stood still, it
 * has run out before its holder could do anything.
 */
static void watch_holder(void) {
  static uint64_t run_out; /* the lease that was found to have run out */
  uint32_t tgid = __atomic_load_n(&leases->holder_tgid, __ATOMIC_ACQUIRE);
  uint64_t until = __atomic_load_n(&leases->holder_until_ns, __ATOMIC_ACQUIRE), before = run_out;
  uint32_t sleep_on = __atomic_load_n(&leases->sleep_on, __ATOMIC_ACQUIRE);
  run_out = tgid && until <= now_ns() ? until : 0;
  if (!run_out || run_out != before) return;
  int pidfd = (int)syscall(SYS_pidfd_open, tgid, 0);
  if (pidfd >= 0 && is_process(tgid, leases->holder_start_boottime) &&
      syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0)
    say("the holder %llu does not answer: killed", tgid, 0);
  if (pidfd >= 0) close(pidfd);
  /* Unless another one has come in between. */
  __atomic_compare_exchange_n(&leases->sleep_on, &sleep_on, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  __atomic_compare_exchange_n(&leases->holder_tgid, &tgid, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/*
 * Until the agent has died. One that hangs (stopped, or a thread that it cannot do without does nothing any more) does not renew its lease:
 * that is as if it had died, but it may come back, and then all is as before.
 */
static void watch_agent(int pidfd, uint64_t agent, int stops, int user_stops, uint64_t grace_ms,
                        int every_ms) {
  struct pollfd agent_gone = {pidfd, POLLIN, 0};
  uint64_t hung = 0, ended = 0; /* since when; that its connections were ended */

  do {
    renew();
    watch_holder();
    if (now_ns() < agent_until()) {
      if (hung) say("agent %llu has come back after %llu ms", agent, (now_ns() - hung) / 1000000ull);
      hung = ended = 0;
      continue;
    }
    uint64_t continued = continue_all(stops, user_stops);
    if (!hung) {
      hung = now_ns();
      say("agent %llu hangs: continued %llu stopped processes", agent, continued);
    } else if (!ended && now_ns() - hung >= grace_ms * 1000000ull) {
      ended = renewing = 1;
      say("agent %llu has hung for the grace period: ended %llu held connections", agent, destroy_held());
    }
    /* A signal ends the waiting, and says what is to come when the agent has gone. */
  } while (poll(&agent_gone, 1, every_ms) <= 0);
}

static volatile sig_atomic_t handing_over;

static void hand_over(int signal) {
  (void)signal;
  handing_over = 1;
}

/*
 * The agent has gone, and another one is to come: its lease runs for as long as that one may take, and ours with it. Returns 1 if it has come, 0 if
 * the time is over.
 */
static int await_successor(uint64_t agent, int stops, int user_stops, uint64_t grace_ms, int every_ms) {
  uint64_t gone = now_ns(), seen = agent_until(), until = gone + grace_ms * 1000000ull;
  struct timespec pause = {0, (every_ms < LET_ASK_MS ? every_ms : LET_ASK_MS) * 1000000l};
  int here = __atomic_compare_exchange_n(&leases->agent_until_ns, &seen, until, 0, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE);
  say("agent %llu hands over: who is held waits %llu ms for the next one", agent, grace_ms);
  while (here && now_ns() < until) {
    renew();
    watch_holder();
    continue_all(stops, user_stops);
    nanosleep(&pause, NULL);
    here = agent_until() == until;
  }
  if (!here) say("a new agent took over after %llu ms", (now_ns() - gone) / 1000000ull, 0);
  return !here;
}

/* Nobody is there to answer for a stop: there are no more of them, and who is held waits for the rest of the grace period at most. Returns as above. */
static int await_replacement(uint64_t agent, int stops, int user_stops, uint64_t grace_ms) {
  uint64_t died = now_ns(), seen = agent_until();
  say("agent %llu died: continued %llu stopped processes", agent, continue_all(stops, user_stops));
  while (now_ns() - died < grace_ms * 1000000ull) {
    struct timespec pause = {0, 100 * 1000000};
    nanosleep(&pause, NULL);
    continue_all(stops, user_stops); /* whoever the gate stopped while it still believed in the leases */
    if (agent_until() != seen) {
      say("a new agent took over after %llu ms", (now_ns() - died) / 1000000ull, 0);
      return 1;
    }
  }
  return 0;
}

static uint64_t number(const char* text) {
  char* end;
  errno = 0;
  uint64_t value = strtoull(text, &end, 10);
  if (errno || *end || end == text) {
    fprintf(stderr, "tlshub-guardian: not a number: %s\n", text);
    exit(64);
  }
  return value;
}

int main(int argc, char** argv) {
  static const struct option options[] = {{"agent-pid", required_argument, 0, 'a'},
                                          {"pin-dir", required_argument, 0, 'p'},
                                          {"lease-ms", required_argument, 0, 'l'},
                                          {"grace-ms", required_argument, 0, 'g'},
                                          {0, 0, 0, 0}};
  uint64_t agent = 0, grace_ms = 0;
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (c == 'a')
      agent = number(optarg);
    else if (c == 'p')
      pin_dir = optarg;
    else if (c == 'l')
      lease_ns = number(optarg) * 1000000ull;
    else if (c == 'g')
      grace_ms = number(optarg);
    else
      return 64;
  }
  if (!agent || !pin_dir || !lease_ns) {
    fprintf(stderr, "usage: tlshub-guardian --agent-pid PID --pin-dir DIR --lease-ms N --grace-ms N\n");
    return 64;
  }
  int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)agent, 0);
  if (pidfd < 0) {
    fprintf(stderr, "tlshub-guardian: agent %llu: %s\n", (unsigned long long)agent, strerror(errno));
    return 1;
  }
  int stops = open_map("stops"), user_stops = open_map("user_stops"), lease_map = open_map("leases");
  leases = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, lease_map, 0);
  if (leases == MAP_FAILED) {
    perror("tlshub-guardian: mmap");
    return 1;
  }
  /* Until we are through, nobody takes the pins away, or puts another agent's in their place: native/domain/pins.h. */
  int folder = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 || flock(folder, LOCK_SH | LOCK_NB)) {
    fprintf(stderr, "tlshub-guardian: cannot lock %s: %s\n", pin_dir, strerror(errno));
    return 1;
  }
  if (prepare_ending()) return 1;
  struct sigaction told = {.sa_handler = hand_over};
  sigaction(SIGUSR1, &told, NULL);
  /* Memory now, not when the machine has none left. */
  mlockall(MCL_CURRENT | MCL_FUTURE);
  int every_ms = (int)(lease_ns / 1000000ull / 5);
  watch_agent(pidfd, agent, stops, user_stops, grace_ms, every_ms);

  renewing = 0;
  if (handing_over && await_successor(agent, stops, user_stops, grace_ms, every_ms)) return 0;
  /* No more stops by a lease that has a moment to run. */
  __atomic_store_n(&leases->guardian_until_ns, 0, __ATOMIC_RELEASE);
  if (!handing_over && await_replacement(agent, stops, user_stops, grace_ms)) return 0;
  continue_all(stops, user_stops);
  say("no new agent within %llu ms: ended %llu held connections; the gate stays shut", grace_ms,
      destroy_held());
  return 0;
}
