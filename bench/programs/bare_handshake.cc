// A bare loop of mutual TLS 1.3 handshakes over loopback connections: nothing but the library and two ends that take turns, on one thread.
// What a provider's pool is compared with. Built twice, against the OpenSSL that node exports and against BoringSSL, and configured as
// the agents are: same certificates, group X25519, one ticket, the peer's name checked. Node-API only at the bottom.
#include <errno.h>
#include <fcntl.h>
#include <napi.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <time.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bare_loop.h"

namespace {

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using Ctx = std::unique_ptr<SSL_CTX, Freer<SSL_CTX, SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Freer<SSL, SSL_free>>;
using Resumable = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION, SSL_SESSION_free>>;

struct Settings {
  std::string caPem, certPem, keyPem, name;
  bool resume = false;
};

[[noreturn]] void die(const std::string& what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  throw std::runtime_error(what + ": " + (reason == nullptr ? "no reason given" : reason));
}

template <typename Read>
auto readPem(const std::string& pem, Read read) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  auto* object = read(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  if (object == nullptr) die("PEM");
  return object;
}

Resumable kept;  // the client's last session
size_t resumed = 0;

int keepSession(SSL*, SSL_SESSION* session) {
  kept.reset(session);
  return 1;
}

Ctx contextOf(const Settings& settings, bool client) {
  Ctx ctx(SSL_CTX_new(TLS_method()));
  if (!ctx || SSL_CTX_set_min_proto_version(ctx.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_set1_curves_list(ctx.get(), "X25519:P-256:P-384") != 1) {
    die("SSL_CTX");
  }
  X509* ca = readPem(settings.caPem, PEM_read_bio_X509);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx.get()), ca);
  X509_free(ca);
  X509* certificate = readPem(settings.certPem, PEM_read_bio_X509);
  EVP_PKEY* key = readPem(settings.keyPem, PEM_read_bio_PrivateKey);
  if (SSL_CTX_use_certificate(ctx.get(), certificate) != 1 || SSL_CTX_use_PrivateKey(ctx.get(), key) != 1) {
    die("credentials");
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_num_tickets(ctx.get(), 1);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  if (settings.resume) {
    const unsigned char id[] = "bare";
    SSL_CTX_set_session_id_context(ctx.get(), id, sizeof id);
    if (client) {
      SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
      SSL_CTX_sess_set_new_cb(ctx.get(), keepSession);
    }
  }
#ifndef OPENSSL_IS_BORINGSSL
  if (!settings.resume) SSL_CTX_set_options(ctx.get(), SSL_OP_NO_TICKET);  // a short one, as the agents
  SSL_CTX_set_options(ctx.get(),
                      uint64_t{3} << 32);  // certificates are not compressed: see library_openssl.cc
  SSL_CTX_set_ciphersuites(ctx.get(), "TLS_AES_128_GCM_SHA256");
#endif
  return ctx;
}

bool advance(SSL* ssl) {
  const int result = SSL_do_handshake(ssl);
  if (result != 1 && SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ) die("handshake");
  return result == 1;
}

void one(SSL_CTX* clients, SSL_CTX* servers, int clientFd, int serverFd, const Settings& settings) {
  ERR_clear_error();
  Ssl client(SSL_new(clients));
  Ssl server(SSL_new(servers));
  X509_VERIFY_PARAM_set1_host(SSL_get0_param(client.get()), settings.name.data(), settings.name.size());
  X509_VERIFY_PARAM_set1_host(SSL_get0_param(server.get()), settings.name.data(), settings.name.size());
  SSL_set_fd(client.get(), clientFd);
  SSL_set_fd(server.get(), serverFd);
  SSL_set_connect_state(client.get());
  SSL_set_accept_state(server.get());
  if (settings.resume && kept) SSL_set_session(client.get(), kept.get());
  bool left = false;
  bool right = false;
  for (int turn = 0; turn < 1000 && !(left && right); turn++) {
    left = left || advance(client.get());
    right = right || advance(server.get());
  }
  if (!left || !right) die("a handshake that does not end");
#ifdef OPENSSL_IS_BORINGSSL
  SSL_write(server.get(), "", 0);  // what it keeps back: the ticket
#endif
  char byte;
  if (SSL_read(client.get(), &byte, 1) > 0 || SSL_get_verify_result(client.get()) != X509_V_OK ||
      SSL_get_verify_result(server.get()) != X509_V_OK) {
    die("not what was expected");
  }
  // Or OpenSSL takes the session for that of a broken connection, which nobody should resume.
  SSL_set_shutdown(client.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  resumed += SSL_session_reused(server.get());
}

// run({caPem, certPem, keyPem, name, resume}, [[clientFd, serverFd], ...]) -> {wallNs, cpuNs, latenciesNs}. The first pair warms up.
Napi::Value run(const Napi::CallbackInfo& info) {
  const Napi::Object from = info[0].As<Napi::Object>();
  const auto text = [&](const char* name) { return from.Get(name).As<Napi::String>().Utf8Value(); };
  const Settings settings{text("caPem"), text("certPem"), text("keyPem"), text("name"),
                          from.Get("resume").As<Napi::Boolean>().Value()};
  const Napi::Array pairs = info[1].As<Napi::Array>();
  std::vector<std::pair<int, int>> fds;
  for (uint32_t at = 0; at < pairs.Length(); at++) {
    const Napi::Array pair = pairs.Get(at).As<Napi::Array>();
    fds.emplace_back(pair.Get(0u).As<Napi::Number>().Int32Value(),
                     pair.Get(1u).As<Napi::Number>().Int32Value());
    for (const int fd : {fds.back().first, fds.back().second})
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  std::vector<double> latencies;
  latencies.reserve(fds.size());
  int64_t wall = 0;
  int64_t cpu = 0;
  try {
    const Ctx clients = contextOf(settings, true);
    const Ctx servers = contextOf(settings, false);
    resumed = 0;
    for (size_t at = 0; at < fds.size(); at++) {
      if (at == 1) wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_THREAD_CPUTIME_ID);
      const int64_t begun = now(CLOCK_MONOTONIC);
      one(clients.get(), servers.get(), fds[at].first, fds[at].second, settings);
      if (at > 0) latencies.push_back(static_cast<double>(now(CLOCK_MONOTONIC) - begun));
    }
    if (resumed != (settings.resume ? fds.size() - 1 : 0)) die("not as many were resumed as should");
    wall = now(CLOCK_MONOTONIC) - wall;
    cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
  } catch (const std::exception& problem) {
    throw Napi::Error::New(info.Env(), problem.what());
  }
  kept.reset();
  Napi::Object result = figures(info.Env(), cpu, latencies);
  result.Set("wallNs", static_cast<double>(wall));
  return result;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("run", Napi::Function::New(env, run, "run"));
  return exports;
}

}  // namespace

NODE_API_MODULE(bare_handshake, initialise)
