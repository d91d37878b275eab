// SPDX-License-Identifier: Apache-2.0
/*
 * How long a new connection takes to carry its first byte: the same exchange with and without TLS in the program.
 *
 *   first_byte serve PORT plain|tls DIR NODE blocking|polling
 *   first_byte measure HOST PORT plain|tls DIR NODE COUNT blocking|polling
 *
 * Each connection: connect, (tls: mutual TLS 1.3 handshake), the client sends one byte, the server sends it back, both close. Non-blocking
 * sockets and edge-triggered epoll; with "blocking" the client's and the server's calls on the connection block. One at a time.
 * DIR holds ca.crt, NODE.crt, NODE.key. TLS as the agent speaks it: TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, certificates on both sides
 * verified against the CA and the name of the other node, one session ticket, no resumption.
 *
 * measure prints a line for each connection, times in microseconds since before connect():
 *   connected  connect() is done
 *   keyed      tls: the handshake is done on the client's side; plain: 0
 *   ready      tls: the server's ticket has come, so the server has accepted our certificate (what the agent waits for as well);
 *              plain: the kernel took the first byte
 *   echoed     the byte came back
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mutual_tls.h"

static int tickets;

static double now_us(void) {
  return now_s() * 1e6;
}

/* Sleeps until the socket has news. */
static void look_again(int set) {
  struct epoll_event event;
  if (epoll_wait(set, &event, 1, -1) < 0 && errno != EINTR) die("epoll_wait");
}

static int new_session(SSL* ssl, SSL_SESSION* session) {
  (void)ssl;
  (void)session;
  tickets++;
  return 0;
}

static SSL_CTX* context(const char* dir, const char* node) {
  SSL_CTX* ctx = mutual_tls(dir, node);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, new_session);
  SSL_CTX_set_session_id_context(ctx, (const unsigned char*)"b", 1);
  SSL_CTX_set_num_tickets(ctx, 1);
  return ctx;
}

/* The library's answer when it could not go on: 1 to try again after waiting. */
static void tls_wait(SSL* ssl, int result, int set, const char* what) {
  int error = SSL_get_error(ssl, result);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) die(what);
  look_again(set);
}

static void handshake(SSL* ssl, int set) {
  for (int result; (result = SSL_do_handshake(ssl)) != 1;) tls_wait(ssl, result, set, "handshake");
}

static int watched(int fd, int blocking) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)) die("epoll");
  if (!blocking && fcntl(fd, F_SETFL, O_NONBLOCK)) die("fcntl");
  return set;
}

static void transfer(int fd, int set, int sending) {
  char byte = 'x';
  for (;;) {
    ssize_t n = sending ? send(fd, &byte, 1, MSG_NOSIGNAL) : recv(fd, &byte, 1, 0);
    if (n == 1) return;
    if (n == 0 || errno != EAGAIN) die(sending ? "send" : "recv");
    look_again(set);
  }
}

static void measure(struct sockaddr_in* to, SSL_CTX* ctx, const char* peer, int count, int blocking) {
  int one = 1;
  for (int i = 0; i < count; i++) {
    double begun = now_us(), connected, keyed = begun, ready;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (struct sockaddr*)to, sizeof(*to))) die("connect");
    connected = now_us();
    int set = watched(fd, blocking && !ctx);
    SSL* ssl = ctx ? session_with(ctx, fd, peer) : NULL;
    char byte = 'x';
    if (ssl) {
      int before = tickets;
      SSL_set_connect_state(ssl);
      handshake(ssl, set);
      keyed = now_us();
      while (tickets == before) {
        int result = SSL_peek(ssl, &byte, 1);
        if (result > 0) die("data before the ticket");
        if (tickets == before) tls_wait(ssl, result, set, "ticket");
      }
      ready = now_us();
      if (SSL_write(ssl, &byte, 1) != 1) die("SSL_write");
      for (int result; (result = SSL_read(ssl, &byte, 1)) != 1;) tls_wait(ssl, result, set, "SSL_read");
    } else {
      transfer(fd, set, 1);
      ready = now_us();
      transfer(fd, set, 0);
    }
    double echoed = now_us();
    printf("%.1f %.1f %.1f %.1f\n", connected - begun, keyed - begun, ready - begun, echoed - begun);
    SSL_free(ssl);
    close(set);
    close(fd);
    usleep(2000); /* both ends have closed: what follows is a connection of its own */
  }
}

static void serve(int port, SSL_CTX* ctx, const char* peer, int blocking) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(listener, (struct sockaddr*)&any, sizeof(any)) || listen(listener, 128)) die("listen");
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    int set = watched(fd, blocking && !ctx);
    SSL* ssl = ctx ? session_with(ctx, fd, peer) : NULL;
    char byte;
    if (ssl) {
      SSL_set_accept_state(ssl);
      handshake(ssl, set);
      for (int result; (result = SSL_read(ssl, &byte, 1)) != 1;) tls_wait(ssl, result, set, "SSL_read");
      if (SSL_write(ssl, &byte, 1) != 1) die("SSL_write");
    } else {
      transfer(fd, set, 0);
      transfer(fd, set, 1);
    }
    /* The client closes first. */
    fcntl(fd, F_SETFL, 0);
    if (recv(fd, &byte, 1, 0) < 0 && errno != ECONNRESET && errno != EIO) die("recv");
    SSL_free(ssl);
    close(set);
    close(fd);
  }
}

int main(int argc, char** argv) {
  int serving = argc == 7 && !strcmp(argv[1], "serve");
  if (!serving && (argc != 9 || strcmp(argv[1], "measure"))) return 64;
  char** rest = argv + (serving ? 2 : 3); /* PORT plain|tls DIR NODE ... */
  const char *node = rest[3], *peer = strcmp(node, "a") ? "a" : "b";
  SSL_CTX* ctx = strcmp(rest[1], "tls") ? NULL : context(rest[2], node);
  if (serving) {
    serve(atoi(rest[0]), ctx, peer, !strcmp(rest[4], "blocking"));
  } else {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(rest[0]))};
    if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) return 64;
    measure(&to, ctx, peer, atoi(rest[4]), !strcmp(rest[5], "blocking"));
  }
  return 0;
}
