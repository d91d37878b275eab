// SPDX-License-Identifier: Apache-2.0
/*
 * fuse_hold flush|lock|keys|raw HOST PORT: keeps a system call of somebody else's waiting, with no privilege at all. In a user namespace it mounts a
 * file system of its own (FUSE) whose daemon does not answer.
 *   flush: the number of a socket that is held becomes that of a file of this file system. Who takes it for the socket and closes it waits
 *          in close() for the daemon (FUSE_FLUSH).
 *   lock:  a thread sits in setsockopt(IP_OPTIONS) whose value lies in a mapped page of the file: it holds the socket's lock until the
 *          daemon has read the page (FUSE_READ). Every call that takes the lock waits for it.
 * Prints "waiting" once the daemon was asked for what it does not give. Ends when killed, and its daemon with it.
 *
 * fuse_hold keys|raw HOST PORT: asks a socket for what the program may not have, before it connects. The call has to read such a page, and
 * the daemon gives it a second after the socket was connected to a server that sends back what it gets, and a word was sent.
 *   keys:  getsockopt(TLS_TX) of a socket that is not connected yet
 *   raw:   getsockopt(TCP_ZEROCOPY_RECEIVE) of a socket that is connected to a listener of the program's own
 * Prints what connect() and getsockopt() said: "connect 0", or "connect" and an error; "asked 0 BYTES", or "asked" and an error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 65536, FILE_NODE = 2 };

static int device;
/* What a page of the file begins with, and the pipe that says that it is time to give it: those of keys and raw. */
static char page_start[128];
static int give[2] = {-1, -1};

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static void put(const char* path, const char* text) {
  int fd = open(path, O_WRONLY);

  if (fd < 0 || write(fd, text, strlen(text)) < 0) fail(path);
  close(fd);
}

static void answer(__u64 unique, int error, const void* data, size_t bytes) {
  char out[512];
  struct fuse_out_header head = {.len = (__u32)(sizeof(head) + bytes), .error = error, .unique = unique};

  memcpy(out, &head, sizeof(head));
  if (bytes) memcpy(out + sizeof(head), data, bytes);
  if (write(device, out, head.len) < 0 && errno != ENOENT) fail("answer");
}

static struct fuse_attr attributes(__u64 node) {
  struct fuse_attr attr = {.ino = node, .nlink = 1};

  attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0666;
  attr.size = node == FUSE_ROOT_ID ? 0 : FILE_BYTES;
  return attr;
}

static void handle(const struct fuse_in_header* in) {
  switch (in->opcode) {
    case FUSE_INIT: {
      const struct fuse_init_in* init = (const void*)(in + 1);
      struct fuse_init_out out = {.major = 7, .minor = init->minor, .max_write = FILE_BYTES};
      answer(in->unique, 0, &out, sizeof(out));
      break;
    }
    case FUSE_LOOKUP: {
      struct fuse_entry_out out = {.nodeid = FILE_NODE, .attr_valid = 1000, .entry_valid = 1000};
      out.attr = attributes(FILE_NODE);
      answer(in->unique, 0, &out, sizeof(out));
      break;
    }
    case FUSE_GETATTR: {
      struct fuse_attr_out out = {.attr_valid = 1000, .attr = attributes(in->nodeid)};
      answer(in->unique, 0, &out, sizeof(out));
      break;
    }
    case FUSE_OPEN: {
      struct fuse_open_out out = {.fh = 1};
      answer(in->unique, 0, &out, sizeof(out));
      break;
    }
    case FUSE_FLUSH:
    case FUSE_READ:
      printf("waiting\n");
      fflush(stdout);
      if (give[0] < 0) break;
      /* Its other end is closed when it is time. */
      if (read(give[0], &(char){0}, 1)) fail("give");
      answer(in->unique, 0, page_start, sizeof(page_start));
      break;
    case FUSE_FORGET:
    case FUSE_INTERRUPT:
      break;
    default:
      answer(in->unique, -ENOSYS, NULL, 0);
  }
}

static void serve(void) {
  static char request[1 << 18];

  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(give[1]);
  for (;;) {
    if (read(device, request, sizeof(request)) >= (ssize_t)sizeof(struct fuse_in_header))
      handle((const void*)request);
    else if (errno == ENODEV)
      _exit(0);
  }
}

/* A file of a file system of our own. */
static int open_file(void) {
  char options[128], folder[] = "/tmp/fuse-hold-XXXXXX", path[64], map[64];
  uid_t uid = getuid();
  gid_t gid = getgid();
  int fd;

  if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) fail("unshare");
  put("/proc/self/setgroups", "deny");
  snprintf(map, sizeof(map), "0 %u 1", uid);
  put("/proc/self/uid_map", map);
  snprintf(map, sizeof(map), "0 %u 1", gid);
  put("/proc/self/gid_map", map);
  device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) fail("/dev/fuse");
  snprintf(options, sizeof(options), "fd=%d,rootmode=40755,user_id=0,group_id=0", device);
  if (!mkdtemp(folder) || mount("hold", folder, "fuse", MS_NOSUID | MS_NODEV, options)) fail("mount");
  /* A process of its own: with it go all that wait for it. */
  if (!fork()) serve();
  close(device);
  snprintf(path, sizeof(path), "%s/file", folder);
  fd = open(path, O_RDWR);
  if (fd < 0) fail(path);
  return fd;
}

struct seat {
  int socket;
  void* page;
};

static void* sit(void* argument) {
  struct seat* seat = argument;
  struct pollfd connected = {.fd = seat->socket, .events = POLLOUT};

  poll(&connected, 1, 5000);
  setsockopt(seat->socket, IPPROTO_IP, IP_OPTIONS, seat->page, 40);
  return NULL;
}

static struct {
  bool raw;
  int socket;
  void* page;
  char copied[4096];
} question;

static void* ask(void* argument) {
  socklen_t length = sizeof(struct tcp_zerocopy_receive);
  struct tls_crypto_info keys = {0};
  int result, error;

  (void)argument;
  if (question.raw)
    result = getsockopt(question.socket, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, question.page, &length);
  else
    result = getsockopt(question.socket, SOL_TLS, TLS_TX, &keys, question.page);
  error = errno;
  if (result)
    printf("asked %s\n", strerrorname_np(error));
  else
    printf("asked 0 %zu\n", question.raw ? strnlen(question.copied, sizeof(question.copied)) : sizeof(keys));
  fflush(stdout);
  return NULL;
}

/* To a listener of our own on loopback, where the gate has nothing to hold. */
static void connect_to_self(int fd) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof(at);
  int listener = socket(AF_INET, SOCK_STREAM, 0);

  if (bind(listener, (void*)&at, length) || listen(listener, 1) ||
      getsockname(listener, (void*)&at, &length) || connect(fd, (void*)&at, length))
    fail("loopback");
}

static void ask_early(bool raw, const struct sockaddr_in* to) {
  struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  struct tcp_zerocopy_receive receive = {.copybuf_address = (unsigned long)question.copied,
                                         .copybuf_len = sizeof(question.copied)};
  socklen_t length = sizeof(struct tls_crypto_info);
  pthread_t thread;

  /* Pages that are written to keep no word of it, so the daemon has its own copy from here on. */
  memcpy(page_start, raw ? (void*)&receive : (void*)&length, raw ? sizeof(receive) : sizeof(length));
  if (pipe(give)) fail("pipe");
  int file = open_file();
  question.page = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  question.socket = socket(AF_INET, SOCK_STREAM, 0);
  question.raw = raw;
  if (raw) connect_to_self(question.socket);
  pthread_create(&thread, NULL, ask, NULL);
  sleep(1);
  if (raw) connect(question.socket, &unspecified, sizeof(unspecified));
  int result = connect(question.socket, (const void*)to, sizeof(*to));
  printf("connect %s\n", result ? strerrorname_np(errno) : "0");
  if (!result && send(question.socket, "word", 4, MSG_NOSIGNAL) < 0)
    printf("send %s\n", strerrorname_np(errno));
  fflush(stdout);
  sleep(1);
  close(give[1]);
  pthread_join(thread, NULL);
}

int main(int argc, char** argv) {
  struct sockaddr_in to = {.sin_family = AF_INET};
  struct seat seat;
  pthread_t thread;
  int file;

  if (argc != 4 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
    fprintf(stderr, "usage: fuse_hold flush|lock|keys|raw HOST PORT\n");
    return 64;
  }
  to.sin_port = htons((uint16_t)atoi(argv[3]));
  if (!strcmp(argv[1], "keys") || !strcmp(argv[1], "raw")) {
    ask_early(!strcmp(argv[1], "raw"), &to);
    return 0;
  }
  file = open_file();
  seat.socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (!strcmp(argv[1], "lock")) {
    seat.page = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, file, 0);
    connect(seat.socket, (void*)&to, sizeof(to));
    pthread_create(&thread, NULL, sit, &seat);
  } else {
    connect(seat.socket, (void*)&to, sizeof(to));
    if (dup(seat.socket) < 0 || dup2(file, seat.socket) < 0) fail("dup");
  }
  for (;;) pause();
}
