/* SPDX-License-Identifier: Apache-2.0 */
/* What the load programs share: failing, and TLS as the agent speaks it. */
#ifndef MUTUAL_TLS_H
#define MUTUAL_TLS_H

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline void die(const char* what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  ERR_print_errors_fp(stderr);
  exit(1);
}

static inline double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* DIR holds ca.crt, NODE.crt, NODE.key. TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, certificates on both sides verified against the CA. */
static inline SSL_CTX* mutual_tls(const char* dir, const char* node) {
  char ca[512], certificate[512], key[512];
  SSL_CTX* ctx = SSL_CTX_new(TLS_method());
  snprintf(ca, sizeof(ca), "%s/ca.crt", dir);
  snprintf(certificate, sizeof(certificate), "%s/%s.crt", dir, node);
  snprintf(key, sizeof(key), "%s/%s.key", dir, node);
  if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) || !SSL_CTX_load_verify_file(ctx, ca) ||
      SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1 ||
      SSL_CTX_set1_curves_list(ctx, "X25519") != 1)
    die("credentials");
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  return ctx;
}

/* A session on the socket, whose peer must be this node. */
static inline SSL* session_with(SSL_CTX* ctx, int fd, const char* peer) {
  SSL* ssl = SSL_new(ctx);
  if (!ssl || !SSL_set_fd(ssl, fd) || !SSL_set1_host(ssl, peer)) die("SSL_new");
  return ssl;
}

#endif
