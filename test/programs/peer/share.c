// SPDX-License-Identifier: Apache-2.0
// Processes and threads that have the socket, or come by it: fork, SCM_RIGHTS, cgroups; signals; descriptors used again.
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

// child ... end-child: the child does what is between, the parent what comes after
static void do_child(struct peer* p, const char* name, const char* argument) {
  (void)argument;
  pid_t pid = fork();
  if (pid == 0) {
    run_ops(p, p->ops, "end-child");
    exit(0);
  }
  p->ops = skip_ops(p->ops, "child", "end-child");
  report(name, pid < 0 ? -1 : 0, 0, NULL, 0);
}

static void do_wait(struct peer* p, const char* name, const char* argument) {
  int n = 0;
  (void)p;
  (void)argument;
  while (wait(NULL) > 0) n++;
  report(name, n, 0, NULL, 0);
}

static pthread_t threads[64];
static int thread_count;
static void* thread_main(void* context) {
  struct peer* p = context;
  run_ops(p, p->ops, "end-thread");
  return NULL;
}

// thread ... end-thread: with a copy of the context
static void do_thread(struct peer* p, const char* name, const char* argument) {
  struct peer* copy = malloc(sizeof(*copy));
  (void)name;
  (void)argument;
  *copy = *p;
  if (pthread_create(&threads[thread_count++], NULL, thread_main, copy)) die("pthread_create");
  p->ops = skip_ops(p->ops, "thread", "end-thread");
}

static void do_join(struct peer* p, const char* name, const char* argument) {
  (void)p;
  (void)argument;
  int n = thread_count;
  while (thread_count > 0) pthread_join(threads[--thread_count], NULL);
  report(name, n, 0, NULL, 0);
}

static void do_sleep(struct peer* p, const char* name, const char* ms) {
  (void)p;
  (void)name;
  long until = now_ms() + atoi(ms);
  while (now_ms() < until) usleep(1000);
}

// Says a word, for the test to know how far we are.
static void do_say(struct peer* p, const char* name, const char* word) {
  (void)p;
  report(name, 0, 0, word, strlen(word));
}

static socklen_t abstract(const char* name, struct sockaddr_un* out) {
  memset(out, 0, sizeof(*out));
  out->sun_family = AF_UNIX;
  snprintf(out->sun_path + 1, sizeof(out->sun_path) - 1, "%s", name);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

// Waits at the abstract unix address for a descriptor: take-fd:NAME, take-listener:NAME
static void take_fd(struct peer* p, const char* name, const char* where) {
  struct sockaddr_un at;
  socklen_t length = abstract(where, &at);
  int door = socket(AF_UNIX, SOCK_STREAM, 0);
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec one = {&byte, 1};
  struct msghdr m = {
      .msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  if (bind(door, (struct sockaddr*)&at, length) || listen(door, 1)) die("unix address %s: %m", where);
  int from = accept(door, NULL, NULL);
  ssize_t result = recvmsg(from, &m, 0);
  int fd = -1;
  struct cmsghdr* c = CMSG_FIRSTHDR(&m);
  if (c) memcpy(&fd, CMSG_DATA(c), sizeof(fd));
  close(from);
  close(door);
  if (!strcmp(name, "take-listener"))
    p->listener = fd;
  else
    p->fd = fd;
  report(name, fd < 0 ? -1 : result, 0, NULL, 0);
}

// give-fd:NAME, give-listener:NAME
static void give_fd(struct peer* p, const char* name, const char* where) {
  struct sockaddr_un to;
  socklen_t length = abstract(where, &to);
  char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec one = {&byte, 1};
  struct msghdr m = {
      .msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  int fd = strcmp(name, "give-listener") ? p->fd : p->listener;
  struct cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &fd, sizeof(fd));
  int door = socket(AF_UNIX, SOCK_STREAM, 0);
  long until = now_ms() + p->wait_ms;
  while (connect(door, (struct sockaddr*)&to, length) && now_ms() < until) usleep(2000);
  ssize_t result = sendmsg(door, &m, 0);
  close(door);
  report(name, result, 0, NULL, 0);
}

static void enter_cgroup(struct peer* p, const char* name, const char* folder) {
  char path[256];
  (void)p;
  snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
  int fd = open(path, O_WRONLY);
  ssize_t result = write(fd, "0", 1);
  close(fd);
  report(name, result, 0, NULL, 0);
}

// close-and-reuse:dup2 | close: the number is a pipe's at once, which is looked at afterwards by `reused`.
static int reused = -1, other_end = -1;
static void close_and_reuse(struct peer* p, const char* name, const char* how) {
  int ends[2];
  if (pipe(ends) || write(ends[1], "mine", 4) != 4) die("reuse: %m");
  if (!strcmp(how, "close")) {
    close(p->fd);
    reused = fcntl(ends[0], F_DUPFD, p->fd);
  } else {
    // closes the socket and takes its number in one step
    reused = dup2(ends[0], p->fd);
  }
  close(ends[0]);
  other_end = ends[1];
  report(name, reused == p->fd ? 0 : -1, 0, NULL, 0);
  p->fd = -1;
}

static void look_at_reused(struct peer* p, const char* name, const char* argument) {
  char data[16];
  (void)p;
  (void)argument;
  ssize_t n = read(reused, data, sizeof(data));
  report(name, n, fcntl(reused, F_GETFL) & O_NONBLOCK ? 1 : 0, data, n > 0 ? (size_t)n : 0);
}

// exec:cloexec | exec:keep: the program starts over with the ops to come; kept, the socket is the one it works on.
static void do_exec(struct peer* p, const char* name, const char* how) {
  char* args[256] = {"peer"};
  char use[32];
  int n = 1;
  bool keep = !strcmp(how, "keep");
  snprintf(use, sizeof(use), "use-fd:%d", p->fd);
  if (keep) args[n++] = use;
  for (char** op = p->ops; *op && n < 255; op++) args[n++] = *op;
  fcntl(p->fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
  report(name, p->fd, 0, NULL, 0);
  execv("/proc/self/exe", args);
  die("exec: %m");
}

static void use_fd(struct peer* p, const char* name, const char* number) {
  (void)name;
  p->fd = atoi(number);
}

// Another process's socket, by pidfd_getfd: steal-fd:PID,FD
static void steal_fd(struct peer* p, const char* name, const char* argument) {
  int pid, fd;
  if (sscanf(argument, "%d,%d", &pid, &fd) != 2) die("steal-fd:%s", argument);
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  p->fd = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
  close(pidfd);
  report(name, p->fd < 0 ? -1 : 0, 0, NULL, 0);
}

// Ends the main thread; the program ends with the last of the others.
static void exit_main(struct peer* p, const char* name, const char* argument) {
  (void)p;
  (void)name;
  (void)argument;
  pthread_exit(NULL);
}

static volatile sig_atomic_t handled;
static void on_signal(int signal) {
  (void)signal;
  handled++;
}

// alarm:MS, whose handler has no SA_RESTART: a call that waits then returns EINTR
static void do_alarm(struct peer* p, const char* name, const char* ms) {
  struct sigaction action = {.sa_handler = on_signal};
  struct itimerval timer = {.it_value = {atoi(ms) / 1000, atoi(ms) % 1000 * 1000}};
  (void)p;
  (void)name;
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &timer, NULL);
}

// handle: SIGUSR1 has a handler; handle:restart, one with SA_RESTART
static void do_handle(struct peer* p, const char* name, const char* how) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = !strcmp(how, "restart") ? SA_RESTART : 0};
  (void)p;
  (void)name;
  sigaction(SIGUSR1, &action, NULL);
}

// handled: how often a handler has run
static void tell_handled(struct peer* p, const char* name, const char* argument) {
  (void)p;
  (void)argument;
  report(name, handled, 0, NULL, 0);
}

// A wrong flip on purpose: writes our own verdict into the gate's pinned map. verdict:MAP,GENERATION,FLAGS
static void write_verdict(struct peer* p, const char* name, const char* argument) {
  char path[200];
  struct {
    unsigned generation, flags;
  } verdict;
  if (sscanf(argument, "%199[^,],%u,%u", path, &verdict.generation, &verdict.flags) != 3)
    die("verdict:%s", argument);
  union bpf_attr attr;
  memset(&attr, 0, sizeof(attr));
  attr.pathname = (unsigned long)path;
  int map = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
  if (map < 0) die("%s: %m", path);
  memset(&attr, 0, sizeof(attr));
  attr.map_fd = (unsigned)map;
  attr.key = (unsigned long)&p->fd;
  attr.value = (unsigned long)&verdict;
  report(name, syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)), 0, NULL, 0);
}

const struct op share_ops[] = {
    {"child", do_child},
    {"wait", do_wait},
    {"thread", do_thread},
    {"join", do_join},
    {"sleep", do_sleep},
    {"say", do_say},
    {"take-fd", take_fd},
    {"take-listener", take_fd},
    {"give-fd", give_fd},
    {"give-listener", give_fd},
    {"enter-cgroup", enter_cgroup},
    {"close-and-reuse", close_and_reuse},
    {"reused", look_at_reused},
    {"exec", do_exec},
    {"use-fd", use_fd},
    {"steal-fd", steal_fd},
    {"exit-main", exit_main},
    {"alarm", do_alarm},
    {"handle", do_handle},
    {"handled", tell_handled},
    {"verdict", write_verdict},
    {NULL, NULL},
};
