/* SPDX-License-Identifier: Apache-2.0 */
// What the handshake tests are written with: a tiny runner, certificates made on the spot, sockets, and a TLS peer that
// can misbehave.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "context.h"
#include "driver.h"

namespace kit {

// --- runner ---

struct Registration {
  Registration(const char* name, void (*body)());
};
// Another program in this one: `THIS --NAME ARGUMENT...`, for a test that needs a second process.
struct Program {
  Program(const char* name, int (*run)(char** arguments));
};
// Runs the tests whose names hold `only`, and says how each went; the last line is "N passed, N failed". Returns how many failed.
int runAll(const std::string& only);
void report(const char* file, int line, const std::string& what);

template <typename A, typename B>
void expectEqual(const char* file, int line, const char* text, const A& actual, const B& expected) {
  if (actual == expected) return;
  std::ostringstream message;
  message << text << " is " << actual << ", expected " << expected;
  report(file, line, message.str());
}

#define KIT_JOIN2(a, b) a##b
#define KIT_JOIN(a, b) KIT_JOIN2(a, b)
#define TEST(name)                                                                                 \
  static void KIT_JOIN(test, __LINE__)();                                                          \
  static const kit::Registration KIT_JOIN(registration, __LINE__)(name, KIT_JOIN(test, __LINE__)); \
  static void KIT_JOIN(test, __LINE__)()
#define EXPECT(condition) \
  if (!(condition)) kit::report(__FILE__, __LINE__, "not so: " #condition)
#define EXPECT_EQ(actual, expected) kit::expectEqual(__FILE__, __LINE__, #actual, actual, expected)
#define EXPECT_HAS(text, part)                           \
  if (std::string(text).find(part) == std::string::npos) \
  kit::report(__FILE__, __LINE__, "\"" + std::string(text) + "\" does not hold \"" + (part) + "\"")

// --- certificates ---

struct Identity {
  std::string certPem;
  std::string keyPem;
};

struct CertificateSpec {
  std::vector<std::string> names;
  std::string commonName = "node";
  long notBefore = -3600;  // seconds from now
  long notAfter = 3600;
  std::string extendedKeyUsage;  // as in openssl.cnf; empty: none
  int rsaBits = 0;               // 0: ECDSA P-256
  size_t padding = 0;            // bytes of useless extension, to make it huge
};

class Ca {
 public:
  explicit Ca(const std::string& commonName);
  Identity issue(const CertificateSpec& spec) const;
  const std::string& pem() const { return pem_; }

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  std::string pem_;
};

const Ca& labCa();                                    // the CA of all good peers
const Identity& identityOf(const std::string& node);  // a good certificate of labCa()

// Whether this build's library does what it is told about ciphers; BoringSSL chooses among all it has.
#ifdef OPENSSL_IS_BORINGSSL
constexpr bool kBoringSsl = true;
#else
constexpr bool kBoringSsl = false;
#endif

using ContextPtr = std::shared_ptr<const tlshub::handshake::Context>;
extern const std::vector<std::string> kAllCiphers;
ContextPtr contextOf(const Identity& identity, const std::string& caPem,
                     const std::vector<std::string>& ciphers,
                     const std::optional<tlshub::handshake::TicketKey>& ticketKey = {});
ContextPtr contextOf(const Identity& identity);
ContextPtr contextOf(const std::string& node);

// --- sockets ---

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket(const Socket&) = delete;
  int fd() const { return fd_; }
  void close();
  void reset();  // closes with RST
  void sendAll(const std::string& bytes);
  std::string receiveQueued();  // what is in the queue, without waiting
 private:
  int fd_;
};

struct Tcp {
  Tcp();  // a loopback connection; both ends blocking, as applications have them
  std::unique_ptr<Socket> active;
  std::unique_ptr<Socket> passive;
};

// --- driving ---

using tlshub::handshake::Driver;
using tlshub::handshake::Failure;
using tlshub::handshake::Outcome;
using tlshub::handshake::Request;
using tlshub::handshake::Role;
using Slot = std::optional<Outcome>;

Request request(int fd, Role role, const std::string& peer, int timeoutMs = 5000);
// Starts a handshake whose outcome appears in *slot, which must stay where it is.
uint64_t begin(Driver& driver, const ContextPtr& context, Request request, Slot* slot);
// Polls (and calls `meanwhile`) until `done` is true or 10 s passed, which is reported.
void drive(Driver& driver, const std::function<bool()>& done, const std::function<void()>& meanwhile = {});
// Both sides by one driver.
std::pair<Outcome, Outcome> handshake(const ContextPtr& active, const std::string& activeExpects,
                                      const ContextPtr& passive, const std::string& passiveExpects);
std::string describe(const Outcome& outcome);
std::string codeOf(const Outcome& outcome);
// Of an outcome that has secrets.
std::string clientSecret(const Outcome& outcome);
std::string serverSecret(const Outcome& outcome);

// A TLS end point over memory BIOs, stepped by hand: what it would send waits in take().
class RawTls {
 public:
  struct Options {
    bool sendCertificate = true;
    int maxVersion = TLS1_3_VERSION;
    size_t tickets = 1;
    SSL_SESSION* resume = nullptr;
  };
  RawTls(bool server, const Identity& identity, const Options& options);
  void feed(const std::string& bytes);
  bool step();  // goes on with the handshake; true when it is done
  std::string take();
  void write(const std::string& applicationData);
  std::string readAll();
  SSL* ssl() { return ssl_.get(); }

 private:
  std::shared_ptr<SSL_CTX> ctx_;
  std::shared_ptr<SSL> ssl_;
};

// Moves bytes between `peer` and the socket without waiting.
void exchange(RawTls& peer, Socket& socket);

// Until there is an outcome of the active side: its peer's flights come in pieces, with pauses between them, and words behind the last one.
void speakInPieces(Driver& driver, Tcp& tcp, const Slot& slot);

}  // namespace kit
