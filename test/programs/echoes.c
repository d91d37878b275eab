// SPDX-License-Identifier: Apache-2.0
/*
 * New connections all the time, each with a word of its own, which a server sends back: does a program ever read something else? Each
 * connection is read in another way than the one before it, since each way has a gate of its own.
 *
 *   echoes serve PORT THREADS         each thread serves one connection after the other, every other one with a socket that does not block
 *   echoes run HOST PORT THREADS      connections, one after the other in each thread, half of the threads with sockets that do not block;
 *                                     "echoed" when the first word has come back; ends with SIGUSR1
 *
 * At the end of run: "R right, W wrong, E ended", where E counts connections that ended with an error before all was there, as they may while there
 * is no agent. For each wrong one a line with the bytes that were read, hexadecimal, and for each kind of error how often it came.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define WORD 47
#define PATIENCE_MS 120000 /* nobody waits as long: what is not there by then hangs */

static struct sockaddr_in to;
static volatile sig_atomic_t finishing;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t right, wrong, ended, next_number;
static struct {
  char what[48];
  uint32_t times;
} kinds[64];

static void finish(int sig) {
  (void)sig;
  finishing = 1;
}

/* No byte of it begins a TLS record, and no two connections have the same. */
static void word_of(uint32_t number, uint8_t* word) {
  char text[WORD + 1];
  snprintf(text, sizeof(text), "echo %010u of a program that knows nothing", number);
  memcpy(word, text, WORD);
}

static void note(const char* call, const char* error) {
  char what[sizeof(kinds[0].what)];
  snprintf(what, sizeof(what), "%s %s", call, error);
  ended++;
  for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
    if (*kinds[i].what && strcmp(kinds[i].what, what)) continue;
    strcpy(kinds[i].what, what);
    kinds[i].times++;
    return;
  }
}

static void judge(uint32_t number, const char* way, const uint8_t* got, size_t have, const char* call,
                  const char* error) {
  uint8_t word[WORD];
  word_of(number, word);
  pthread_mutex_lock(&lock);
  /* The server closes nothing before the client does: an end of the file is as wrong as another byte. */
  if (memcmp(got, word, have) || (have < WORD && !error)) {
    wrong++;
    printf("wrong: connection %u, by %s, %zu bytes:", number, way, have);
    for (size_t i = 0; i < have; i++) printf(" %02x", got[i]);
    puts(error ? "" : ", end of file");
  } else if (have == WORD) {
    if (!right++) puts("echoed");
  } else {
    note(call, error);
  }
  pthread_mutex_unlock(&lock);
}

static ssize_t by_recv(int fd, uint8_t* at, size_t room) {
  return recv(fd, at, room, 0);
}
static ssize_t by_byte(int fd, uint8_t* at, size_t room) {
  (void)room;
  return recv(fd, at, 1, 0);
}
static ssize_t by_read(int fd, uint8_t* at, size_t room) {
  return read(fd, at, room);
}
static ssize_t by_readv(int fd, uint8_t* at, size_t room) {
  struct iovec parts[] = {{at, room / 2}, {at + room / 2, room - room / 2}};
  return readv(fd, parts, 2);
}
static ssize_t by_recvmsg(int fd, uint8_t* at, size_t room) {
  struct iovec part = {at, room};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
}
static ssize_t by_recvmmsg(int fd, uint8_t* at, size_t room) {
  struct iovec part = {at, room};
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
  int n = recvmmsg(fd, &message, 1, 0, NULL);
  return n == 1 ? (ssize_t)message.msg_len : n;
}
static ssize_t by_peek(int fd, uint8_t* at, size_t room) {
  uint8_t seen[WORD];
  ssize_t n = recv(fd, seen, room, MSG_PEEK);
  return n <= 0 ? n : recv(fd, at, (size_t)n, 0);
}
static ssize_t by_splice(int fd, uint8_t* at, size_t room) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return -1;
  ssize_t n = splice(fd, NULL, ends[1], NULL, room, 0);
  int error = errno;
  if (n > 0) n = read(ends[0], at, (size_t)n);
  close(ends[0]);
  close(ends[1]);
  errno = error;
  return n;
}

static const struct {
  const char* name;
  ssize_t (*read)(int fd, uint8_t* at, size_t room);
} ways[] = {{"recv", by_recv},       {"a byte", by_byte},       {"read", by_read},     {"readv", by_readv},
            {"recvmsg", by_recvmsg}, {"recvmmsg", by_recvmmsg}, {"MSG_PEEK", by_peek}, {"splice", by_splice}};
#define WAYS (sizeof(ways) / sizeof(*ways))

/* False when nothing comes within the patience: errno is ETIMEDOUT. */
static bool wait_for(int fd, short events) {
  struct pollfd one = {fd, events, 0};
  int n;
  while ((n = poll(&one, 1, PATIENCE_MS)) < 0 && errno == EINTR) continue;
  if (n == 0) errno = ETIMEDOUT;
  return n > 0;
}

static bool send_all(int fd, const uint8_t* bytes, size_t length) {
  while (length > 0) {
    ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
    if (n < 0 && (errno != EAGAIN || !wait_for(fd, POLLOUT))) return false;
    if (n > 0) bytes += n, length -= (size_t)n;
  }
  return true;
}

static void talk(uint32_t number, bool waits) {
  const char* way = ways[number % WAYS].name;
  uint8_t word[WORD], got[WORD];
  size_t have = 0;
  const char* call = "connect";
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (waits ? SOCK_NONBLOCK : 0), 0);
  if (fd < 0) goto failed;
  if (connect(fd, (struct sockaddr*)&to, sizeof(to))) {
    if (errno != EINPROGRESS || !wait_for(fd, POLLOUT)) goto failed;
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    errno = error;
    if (error) goto failed;
  }
  call = "send";
  word_of(number, word);
  if (!send_all(fd, word, WORD)) goto failed;
  call = "read";
  while (have < WORD) {
    /* Every other one that does not block asks before it is told: so the gate meets calls that come too early. */
    if (waits && number % 4 < 2 && !wait_for(fd, POLLIN)) goto failed;
    ssize_t n = ways[number % WAYS].read(fd, got + have, WORD - have);
    if (n == 0) break;
    if (n > 0)
      have += (size_t)n;
    else if (errno != EAGAIN || !waits || !wait_for(fd, POLLIN))
      goto failed;
  }
  judge(number, way, got, have, call, NULL);
  close(fd);
  return;
failed:
  judge(number, way, got, have, call, strerrorname_np(errno));
  if (fd >= 0) close(fd);
  /* Who is refused does not come back at once. */
  usleep(100000);
}

static void* run(void* argument) {
  bool waits = (uintptr_t)argument % 2;
  while (!finishing) talk(__atomic_fetch_add(&next_number, 1, __ATOMIC_RELAXED), waits);
  return NULL;
}

static int listener;

static void* serve(void* argument) {
  (void)argument;
  for (uint32_t number = 0; !finishing; number++) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | (number % 2 ? SOCK_NONBLOCK : 0));
    if (fd < 0) continue;
    uint8_t bytes[WORD];
    for (;;) {
      ssize_t n = ways[number % WAYS].read(fd, bytes, sizeof(bytes));
      if (n > 0 ? !send_all(fd, bytes, (size_t)n) : n == 0 || errno != EAGAIN || !wait_for(fd, POLLIN)) break;
    }
    close(fd);
  }
  return NULL;
}

/* `count` threads that do `what` to their end. */
static void in_threads(int count, void* (*what)(void*)) {
  pthread_t threads[count];
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 128 * 1024);
  for (int i = 0; i < count; i++)
    if (pthread_create(&threads[i], &small, what, (void*)(uintptr_t)i)) exit(2);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc == 4 && !strcmp(argv[1], "serve")) {
    int one = 1;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr*)&any, sizeof(any)) || listen(listener, 1024)) return 1;
    in_threads(atoi(argv[3]), serve);
  }
  if (argc != 5 || strcmp(argv[1], "run") || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) return 64;
  to.sin_family = AF_INET;
  to.sin_port = htons((uint16_t)atoi(argv[3]));
  struct sigaction action = {.sa_handler = finish};
  sigaction(SIGUSR1, &action, NULL);
  in_threads(atoi(argv[4]), run);
  for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && *kinds[i].what; i++)
    printf("%u times %s\n", kinds[i].times, kinds[i].what);
  printf("%u right, %u wrong, %u ended\n", right, wrong, ended);
  return wrong ? 1 : 0;
}
