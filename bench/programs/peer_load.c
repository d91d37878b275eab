// SPDX-License-Identifier: Apache-2.0
/*
 * The load for every contender of the comparison (bench/peers): the same program, plain where something else does the TLS, or with TLS of its own.
 *
 *   peer_load serve PORT plain|tls|ktls DIR NODE
 *   peer_load load HOST PORT plain|tls|ktls DIR NODE SLOTS BYTES SECONDS COUNT
 *   peer_load idle HOST PORT plain|tls|ktls DIR NODE COUNT
 *
 * A request is a length (8 bytes, big-endian) and so many bytes; the server reads them and answers with one byte. After the answer the client
 * sends the next request or closes.
 *
 * load keeps SLOTS connections going, a request of BYTES on each, for SECONDS or until COUNT (0: no limit); the bytes of the last requests are
 * sent all the same. Prints a line `SECONDS BYTES FLOWING BUSY`: the whole time, the payload, the time since the first byte was taken from the
 * program (no connecting, no first handshake) and the CPU seconds that the whole machine was busy in that; then for each request a line with the
 * microseconds from before connect() to the answer. idle opens COUNT connections, a request of one byte on each, prints `ready`, and stays.
 * DIR holds ca.crt, NODE.crt, NODE.key. TLS is TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, certificates on both sides, no resumption; ktls hands the
 * keys to the kernel where OpenSSL can (SSL_OP_ENABLE_KTLS). Non-blocking sockets and edge-triggered epoll.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mutual_tls.h"

enum { PIECE = 128 << 10, OPENING = 16 };

typedef struct connection {
  int fd;
  SSL* ssl;
  int connected;       /* TCP and, with TLS, the handshake */
  int answer_due;      /* server: the request is complete, its answer not sent */
  uint64_t head_bytes; /* of the length, so far */
  uint64_t left;       /* of the payload */
  unsigned char head[8];
  double begun;
} connection;

static unsigned char piece[PIECE];
static int set; /* epoll */
static SSL_CTX* ctx;
static const char* peer_name;
static int told_ktls;
static int serving;

/* CPU seconds of all processors since boot: user, nice, system, irq, softirq (proc(5), /proc/stat). */
static double busy_s(void) {
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
  FILE* stat = fopen("/proc/stat", "r");
  if (!stat || fscanf(stat, "cpu %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system, &idle, &iowait, &irq,
                      &softirq) != 7)
    die("/proc/stat");
  fclose(stat);
  return (user + nice + system + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
}

static void make_context(const char* how, const char* dir, const char* node) {
  if (!strcmp(how, "plain")) return;
  ctx = mutual_tls(dir, node);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_mode(
      ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  if (!strcmp(how, "ktls")) SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
  peer_name = strcmp(node, "a") ? "a" : "b";
}

static void watch(connection* c) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (ctx) c->ssl = session_with(ctx, c->fd, peer_name);
  if (epoll_ctl(set, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
}

static void finish(connection* c) {
  if (c->ssl && c->connected) SSL_shutdown(c->ssl);
  SSL_free(c->ssl);
  close(c->fd);
  free(c);
}

/* As read() and write(): bytes, 0 at the end, -1 for "later". A failure is the end of a client, and of the server's connection. */
static ssize_t later(connection* c, int result, const char* what) {
  int error = SSL_get_error(c->ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return -1;
  if (error != SSL_ERROR_ZERO_RETURN && !serving) die(what);
  ERR_clear_error();
  return 0;
}

static ssize_t lost(const char* what) {
  if (!serving) die(what);
  return 0;
}

static ssize_t take(connection* c, void* to, size_t length) {
  if (c->ssl) {
    int result = SSL_read(c->ssl, to, (int)length);
    return result > 0 ? result : later(c, result, "SSL_read");
  }
  ssize_t result = recv(c->fd, to, length, 0);
  if (result < 0 && errno != EAGAIN) return lost("recv");
  return result;
}

static ssize_t give(connection* c, const void* from, size_t length) {
  if (c->ssl) {
    int result = SSL_write(c->ssl, from, (int)length);
    return result > 0 ? result : later(c, result, "SSL_write");
  }
  ssize_t result = send(c->fd, from, length, MSG_NOSIGNAL);
  if (result < 0 && errno != EAGAIN) return lost("send");
  return result;
}

/* 1 when data can flow, 0 at the end, -1 for "later". */
static ssize_t ready(connection* c) {
  if (c->connected || !c->ssl) return 1;
  int result = SSL_do_handshake(c->ssl);
  if (result != 1) return later(c, result, "handshake");
  c->connected = 1;
  if (!told_ktls && (SSL_get_options(c->ssl) & SSL_OP_ENABLE_KTLS)) {
    told_ktls = 1;
    fprintf(stderr, "kTLS: send %d, receive %d\n", BIO_get_ktls_send(SSL_get_wbio(c->ssl)),
            BIO_get_ktls_recv(SSL_get_rbio(c->ssl)));
  }
  return 1;
}

/* ---- server ---- */

static void serve_one(connection* c) {
  ssize_t n = ready(c);
  if (n == 0) finish(c);
  if (n <= 0) return;
  for (;;) {
    if (c->answer_due) {
      n = give(c, "k", 1);
      if (n == 0) finish(c);
      if (n <= 0) return;
      c->answer_due = 0;
      c->head_bytes = 0;
    }
    if (c->head_bytes < sizeof(c->head)) {
      n = take(c, c->head + c->head_bytes, sizeof(c->head) - c->head_bytes);
      if (n > 0) c->head_bytes += (uint64_t)n;
      if (n > 0 && c->head_bytes == sizeof(c->head)) {
        memcpy(&c->left, c->head, sizeof(c->left));
        c->left = be64toh(c->left);
      }
    } else {
      n = take(c, piece, c->left < PIECE ? c->left : PIECE);
      if (n > 0) c->left -= (uint64_t)n;
    }
    if (n == 0) return finish(c);
    if (n < 0) return;
    if (c->head_bytes == sizeof(c->head) && c->left == 0) c->answer_due = 1;
  }
}

static void serve(int port) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[64];
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(listener, (struct sockaddr*)&any, sizeof(any)) || listen(listener, 4096)) die("listen");
  if (epoll_ctl(set, EPOLL_CTL_ADD, listener, &event)) die("epoll_ctl");
  for (;;) {
    int count = epoll_wait(set, events, 64, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr) {
        serve_one(events[i].data.ptr);
        continue;
      }
      int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) continue;
      connection* c = calloc(1, sizeof(*c));
      c->fd = fd;
      watch(c);
      if (c->ssl) SSL_set_accept_state(c->ssl);
    }
  }
}

/* ---- client ---- */

static struct sockaddr_in target;
static uint64_t request_bytes;
static double flowing, busy; /* when the first byte was taken, and the machine's CPU seconds then */

static void open_one(void) {
  connection* c = calloc(1, sizeof(*c));
  c->begun = now_s();
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connect(c->fd, (struct sockaddr*)&target, sizeof(target)) && errno != EINPROGRESS) die("connect");
  c->left = request_bytes;
  uint64_t head = htobe64(request_bytes);
  memcpy(c->head, &head, sizeof(head));
  watch(c);
  if (c->ssl) SSL_set_connect_state(c->ssl);
}

/* 1 when the answer has come. */
static int request_one(connection* c, uint32_t events) {
  unsigned char answer;
  int error = 0;
  socklen_t length = sizeof(error);
  if ((events & (EPOLLERR | EPOLLHUP)) && !getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length) &&
      error) {
    errno = error;
    die("connection");
  }
  if (!(events & EPOLLOUT) && !c->connected && !c->ssl) return 0;
  ssize_t n = ready(c);
  if (n == 0) die("the handshake ended");
  if (n < 0) return 0;
  while (c->head_bytes < sizeof(c->head) || c->left > 0) {
    if (c->head_bytes < sizeof(c->head)) {
      n = give(c, c->head + c->head_bytes, sizeof(c->head) - c->head_bytes);
      if (n > 0) c->head_bytes += (uint64_t)n;
      if (n > 0 && flowing == 0) {
        flowing = now_s();
        busy = busy_s();
      }
    } else {
      n = give(c, piece, c->left < PIECE ? c->left : PIECE);
      if (n > 0) c->left -= (uint64_t)n;
    }
    if (n <= 0) return 0;
  }
  n = take(c, &answer, 1);
  if (n == 0) die("closed before the answer");
  return n == 1;
}

static void load(int slots, double seconds, long limit) {
  struct epoll_event events[64];
  size_t answered = 0, room = 1 << 16;
  double *latencies = malloc(room * sizeof(*latencies)), begin = now_s(), end = begin;
  long opened = 0;
  for (; opened < slots; opened++) open_one();
  for (long open = slots; open > 0;) {
    int count = epoll_wait(set, events, 64, 30000);
    if (count == 0) die("nothing moved for 30 s");
    for (int i = 0; i < count; i++) {
      connection* c = events[i].data.ptr;
      if (!request_one(c, events[i].events)) continue;
      end = now_s();
      if (answered == room) latencies = realloc(latencies, (room *= 2) * sizeof(*latencies));
      latencies[answered++] = end - c->begun;
      finish(c);
      if (end - begin < seconds && (limit == 0 || opened < limit)) {
        open_one();
        opened++;
      } else {
        open--;
      }
    }
  }
  printf("%.6f %.0f %.6f %.2f\n", end - begin, (double)answered * (double)request_bytes, end - flowing,
         busy_s() - busy);
  for (size_t i = 0; i < answered; i++) printf("%.1f\n", latencies[i] * 1e6);
}

static void idle(long wanted) {
  struct epoll_event events[64];
  long opened = 0, answered = 0;
  while (answered < wanted) {
    while (opened < wanted && opened - answered < OPENING) {
      open_one();
      opened++;
    }
    int count = epoll_wait(set, events, 64, 30000);
    if (count == 0) die("nothing moved for 30 s");
    for (int i = 0; i < count; i++) answered += request_one(events[i].data.ptr, events[i].events);
  }
  printf("ready\n");
  fflush(stdout);
  pause();
}

int main(int argc, char** argv) {
  serving = argc == 6 && !strcmp(argv[1], "serve");
  int loading = argc == 11 && !strcmp(argv[1], "load");
  if (!serving && !loading && !(argc == 8 && !strcmp(argv[1], "idle"))) return 64;
  char** rest = argv + (serving ? 2 : 3); /* PORT HOW DIR NODE ... */
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  set = epoll_create1(EPOLL_CLOEXEC);
  make_context(rest[1], rest[2], rest[3]);
  if (serving) serve(atoi(rest[0]));
  target.sin_family = AF_INET;
  target.sin_port = htons((uint16_t)atoi(rest[0]));
  if (inet_pton(AF_INET, argv[2], &target.sin_addr) != 1) return 64;
  request_bytes = loading ? strtoull(rest[5], NULL, 10) : 1;
  if (loading)
    load(atoi(rest[4]), atof(rest[6]), atol(rest[7]));
  else
    idle(atol(rest[4]));
  return 0;
}
