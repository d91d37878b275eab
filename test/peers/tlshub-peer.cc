// SPDX-License-Identifier: Apache-2.0
// Stands in for the TLSHub kernel module in tests: the same messages over a netlink socket in user space, and a real key agreement
// (X25519, RFC 7748) with its other instance over UDP. It authenticates nobody, so it protects nothing. On request it misbehaves.
//
// Messages are written here byte by byte, not with the structs of native/domain/tlshub/wire.h: it must not repeat their mistakes.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/netlink.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Bytes = std::vector<uint8_t>;
using Tuple =
    std::array<uint8_t, 12>;  // both addresses, both ports, network order: the first 12 bytes of a request
using Key = std::array<uint8_t, 32>;
using PrivateKey = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

constexpr char kUsage[] =
    R"(usage: tlshub-peer [--protocol N] [--port-id N] [--udp-port N] [--listen ADDRESS] [--lifetime MS] [--echo-sequence]
                   [--master-keys FILE] [--misbehave WHAT[=N]]... [--background]
  --protocol N     netlink protocol (2, NETLINK_USERSOCK)      --port-id N    netlink port id (4711)
  --udp-port N     of the key agreement (7431)                 --listen A     IPv4 address for it (all)
  --lifetime MS    after which a key has expired (60000)       --background   return when it is ready
  --master-keys F  appends to F, of each handshake that this side asked for: addresses and ports as on the wire, and the key
  --misbehave      late=MS, short=BYTES (the header says so), cut=BYTES (the header does not), type=N, status=N, logs=N lines
                   before each reply, silent, foreign (another port id answers), fail (handshakes), random (bytes as replies)
)";

[[noreturn]] void die(const char* what) {
  fprintf(stderr, "tlshub-peer: %s: %s\n", what, strerror(errno));
  exit(1);
}

struct Options {
  int protocol = NETLINK_USERSOCK;
  uint32_t portId = 4711;
  uint16_t udpPort = 7431;
  in_addr listen = {INADDR_ANY};
  milliseconds lifetime{60000};
  bool echoSequence = false, background = false;
  std::map<std::string, long> misbehave;
  std::string masterKeys;

  bool does(const char* what) const { return misbehave.count(what) > 0; }
};

PrivateKey makePrivateKey() {
  return PrivateKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"), EVP_PKEY_free);
}

Key publicOf(const PrivateKey& own) {
  Key key{};
  size_t size = key.size();
  if (EVP_PKEY_get_raw_public_key(own.get(), key.data(), &size) != 1) die("public key");
  return key;
}

// False: the other's key is none (RFC 7748, 6.1: the result would be all zeros).
bool agree(const PrivateKey& own, const Key& theirs, Key& shared) {
  const PrivateKey other(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, theirs.data(), theirs.size()),
                         EVP_PKEY_free);
  const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(EVP_PKEY_CTX_new(own.get(), nullptr),
                                                                       EVP_PKEY_CTX_free);
  size_t size = shared.size();
  return other && EVP_PKEY_derive_init(context.get()) == 1 &&
         EVP_PKEY_derive_set_peer(context.get(), other.get()) == 1 &&
         EVP_PKEY_derive(context.get(), shared.data(), &size) == 1 && size == shared.size();
}

Key masterKey(const Key& shared, const Tuple& tuple, const Key& client, const Key& server) {
  Bytes input(shared.begin(), shared.end());
  input.insert(input.end(), tuple.begin(), tuple.end());
  input.insert(input.end(), client.begin(), client.end());
  input.insert(input.end(), server.begin(), server.end());
  Key key{};
  unsigned size = 0;
  if (EVP_Digest(input.data(), input.size(), key.data(), &size, EVP_sha256(), nullptr) != 1) die("SHA-256");
  return key;
}

// Between the two instances: "TLSP", kind, 7 bytes of nothing, exchange id, tuple, public key.
enum : uint8_t { kHello = 1, kAnswer = 2 };
constexpr size_t kDatagram = 12 + 8 + 12 + 32;

struct Datagram {
  uint8_t kind;
  uint64_t exchange;
  Tuple tuple;
  Key publicKey;
};

Bytes encode(const Datagram& datagram) {
  Bytes bytes(kDatagram);
  memcpy(&bytes[0], "TLSP", 4);
  bytes[4] = datagram.kind;
  memcpy(&bytes[12], &datagram.exchange, 8);
  memcpy(&bytes[20], datagram.tuple.data(), 12);
  memcpy(&bytes[32], datagram.publicKey.data(), 32);
  return bytes;
}

bool decode(const uint8_t* bytes, size_t size, Datagram& datagram) {
  if (size != kDatagram || memcmp(bytes, "TLSP", 4) != 0) return false;
  datagram.kind = bytes[4];
  memcpy(&datagram.exchange, bytes + 12, 8);
  memcpy(datagram.tuple.data(), bytes + 20, 12);
  memcpy(datagram.publicKey.data(), bytes + 32, 32);
  return true;
}

struct Caller {
  uint32_t portId, sequence;
};

struct Entry {
  Key key;
  Clock::time_point expires;
  uint64_t exchange;
  Key ownPublic;
};

struct Exchange {
  Tuple tuple;
  PrivateKey own;
  std::vector<Caller> callers;
  int tries;
  Clock::time_point next;
};

class Peer {
 public:
  explicit Peer(Options options) : options_(std::move(options)) {
    netlink_ = netlinkSocket(options_.portId);
    if (options_.does("foreign")) stranger_ = netlinkSocket(0);
    udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_in own = udpAddress(options_.listen);
    if (udp_ < 0 || bind(udp_, reinterpret_cast<const sockaddr*>(&own), sizeof(own)))
      die("the UDP socket of the key agreement");
  }

  [[noreturn]] void run() {
    for (;;) {
      pollfd ready[] = {{netlink_, POLLIN, 0}, {udp_, POLLIN, 0}};
      if (poll(ready, 2, untilNext()) < 0 && errno != EINTR) die("poll");
      if (ready[0].revents) request();
      if (ready[1].revents) datagram();
      timers();
    }
  }

 private:
  int netlinkSocket(uint32_t portId) const {
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, options_.protocol);
    sockaddr_nl own = {};
    own.nl_family = AF_NETLINK;
    own.nl_pid = portId;
    // Between processes a full queue makes the sender wait; not for ever.
    const timeval patience = {1, 0};
    if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof(own)) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
      die("the netlink socket");
    return fd;
  }

  sockaddr_in udpAddress(in_addr address) const {
    sockaddr_in full = {};
    full.sin_family = AF_INET;
    full.sin_addr = address;
    full.sin_port = htons(options_.udpPort);
    return full;
  }

  void request() {
    uint8_t bytes[512];
    sockaddr_nl from = {};
    socklen_t length = sizeof(from);
    const ssize_t got =
        recvfrom(netlink_, bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (got != 32) return;
    uint32_t size = 0;
    Caller caller = {from.nl_pid, 0};
    memcpy(&size, bytes, 4);
    memcpy(&caller.sequence, bytes + 8, 4);
    if (size != 32) return;
    Tuple tuple;
    memcpy(tuple.data(), bytes + 16, tuple.size());
    switch (bytes[28]) {
      case 0:
        return reply(caller, 0x07, "ready");
      case 1:
        return start(caller, tuple);
      case 2:
        return fetch(caller, tuple);
    }
  }

  void fetch(const Caller& caller, const Tuple& tuple) {
    const auto at = entries_.find(tuple);
    int32_t status = -1;
    if (at != entries_.end()) status = at->second.expires > Clock::now() ? 0 : -2;
    if (options_.does("status")) status = static_cast<int32_t>(options_.misbehave.at("status"));
    std::string text(36, '\0');
    memcpy(text.data(), &status, 4);
    if (status == 0 && at != entries_.end()) memcpy(text.data() + 4, at->second.key.data(), 32);
    reply(caller, 0x00, text);
  }

  void start(const Caller& caller, const Tuple& tuple) {
    if (options_.does("fail")) return reply(caller, 0x03, "told to fail");
    const auto at = entries_.find(tuple);
    if (at != entries_.end() && at->second.expires > Clock::now()) return reply(caller, 0x05, "");
    for (auto& [id, exchange] : exchanges_) {
      if (exchange.tuple != tuple) continue;
      exchange.callers.push_back(caller);
      return;
    }
    uint64_t id = 0;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&id), sizeof(id)) != 1) die("random");
    exchanges_.emplace(id, Exchange{tuple, makePrivateKey(), {caller}, 0, Clock::now()});
    timers();
  }

  void datagram() {
    uint8_t bytes[512];
    sockaddr_in from = {};
    socklen_t length = sizeof(from);
    const ssize_t got = recvfrom(udp_, bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from), &length);
    Datagram message;
    if (got < 0 || !decode(bytes, static_cast<size_t>(got), message)) return;
    if (message.kind == kHello) return hello(message, from);
    if (message.kind == kAnswer) answer(message);
  }

  void hello(const Datagram& message, const sockaddr_in& from) {
    Key own;
    const auto at = served_.find(message.tuple);
    if (at != served_.end() && at->second.exchange == message.exchange) {
      own = at->second.ownPublic;  // our answer was lost
    } else {
      const PrivateKey secret = makePrivateKey();
      own = publicOf(secret);
      Key shared;
      if (!agree(secret, message.publicKey, shared)) return;
      const Key key = masterKey(shared, message.tuple, message.publicKey, own);
      const Entry entry = {key, Clock::now() + options_.lifetime, message.exchange, own};
      served_[message.tuple] = entry;
      entries_[message.tuple] = entry;
    }
    const Bytes bytes = encode({kAnswer, message.exchange, message.tuple, own});
    sendto(udp_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&from), sizeof(from));
  }

  void answer(const Datagram& message) {
    const auto at = exchanges_.find(message.exchange);
    if (at == exchanges_.end() || at->second.tuple != message.tuple) return;
    const Exchange exchange = std::move(at->second);
    exchanges_.erase(at);
    const Key own = publicOf(exchange.own);
    Key shared;
    if (!agree(exchange.own, message.publicKey, shared)) return fail(exchange, "not a key");
    const Key key = masterKey(shared, exchange.tuple, own, message.publicKey);
    entries_[exchange.tuple] = {key, Clock::now() + options_.lifetime, message.exchange, own};
    if (!options_.masterKeys.empty()) note(exchange.tuple, key);
    uint32_t server;
    memcpy(&server, exchange.tuple.data() + 4, 4);
    const uint8_t type = known_.insert(server).second ? 0x01 : 0x02;
    for (const Caller& caller : exchange.callers) reply(caller, type, "");
  }

  // Two words of hexadecimal digits. In one write, as the file is read while we run.
  void note(const Tuple& tuple, const Key& key) const {
    std::string line;
    char two[3];
    for (const uint8_t byte : tuple)
      line.append(two, static_cast<size_t>(snprintf(two, sizeof two, "%02x", byte)));
    line += ' ';
    for (const uint8_t byte : key)
      line.append(two, static_cast<size_t>(snprintf(two, sizeof two, "%02x", byte)));
    std::ofstream(options_.masterKeys, std::ios::app) << line + '\n' << std::flush;
  }

  void fail(const Exchange& exchange, const char* why) {
    for (const Caller& caller : exchange.callers) reply(caller, 0x03, why);
  }

  void reply(const Caller& caller, uint8_t type, const std::string& text) {
    if (options_.does("silent")) return;
    const long logs = options_.does("logs") ? options_.misbehave.at("logs") : 0;
    for (long i = 0; i < logs; i++) enqueue(caller, 0x04, "log line " + std::to_string(i + 1));
    if (options_.does("type")) type = static_cast<uint8_t>(options_.misbehave.at("type"));
    enqueue(caller, type, text);
  }

  void enqueue(const Caller& caller, uint8_t type, std::string text) {
    text.resize(125);  // the struct is sent whole
    Bytes bytes(17 + text.size() + 2);
    memcpy(&bytes[17], text.data(), text.size());
    bytes[16] = type;
    auto size = static_cast<uint32_t>(bytes.size());
    if (options_.does("short")) size = static_cast<uint32_t>(options_.misbehave.at("short"));
    bytes.resize(std::min<size_t>(size, bytes.size()));
    if (bytes.size() >= 16) {
      memcpy(&bytes[0], &size, 4);
      if (options_.echoSequence) memcpy(&bytes[8], &caller.sequence, 4);
    }
    if (options_.does("cut"))
      bytes.resize(std::min<size_t>(static_cast<size_t>(options_.misbehave.at("cut")), bytes.size()));
    if (options_.does("random")) {
      bytes.resize(1 + static_cast<size_t>(rand()) % 200);
      if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) die("random");
    }
    const milliseconds late(options_.does("late") ? options_.misbehave.at("late") : 0);
    if (late.count() == 0) return send(caller.portId, bytes);
    late_.emplace_back(Clock::now() + late, caller.portId, bytes);
  }

  void send(uint32_t portId, const Bytes& bytes) {
    sockaddr_nl to = {};
    to.nl_family = AF_NETLINK;
    to.nl_pid = portId;
    // Who has gone meanwhile (ECONNREFUSED) has given up.
    sendto(stranger_ >= 0 ? stranger_ : netlink_, bytes.data(), bytes.size(), 0,
           reinterpret_cast<sockaddr*>(&to), sizeof(to));
  }

  void timers() {
    const auto now = Clock::now();
    while (!late_.empty() && std::get<0>(late_.front()) <= now) {
      send(std::get<1>(late_.front()), std::get<2>(late_.front()));
      late_.pop_front();
    }
    for (auto at = exchanges_.begin(); at != exchanges_.end();) {
      Exchange& exchange = at->second;
      if (exchange.next > now) {
        at++;
      } else if (exchange.tries++ < 10) {
        const Bytes bytes = encode({kHello, at->first, exchange.tuple, publicOf(exchange.own)});
        in_addr server;
        memcpy(&server, exchange.tuple.data() + 4, 4);
        const sockaddr_in to = udpAddress(server);
        sendto(udp_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
        exchange.next = now + milliseconds(200);
        at++;
      } else {
        fail(exchange, "the other node does not answer");
        at = exchanges_.erase(at);
      }
    }
  }

  int untilNext() const {
    auto next = Clock::time_point::max();
    if (!late_.empty()) next = std::get<0>(late_.front());
    for (const auto& [id, exchange] : exchanges_) next = std::min(next, exchange.next);
    if (next == Clock::time_point::max()) return -1;
    const auto left = std::chrono::ceil<milliseconds>(next - Clock::now()).count();
    return static_cast<int>(std::max<long>(left, 0));
  }

  Options options_;
  int netlink_ = -1, udp_ = -1, stranger_ = -1;
  std::map<Tuple, Entry> entries_, served_;
  std::map<uint64_t, Exchange> exchanges_;
  std::set<uint32_t> known_;
  std::deque<std::tuple<Clock::time_point, uint32_t, Bytes>> late_;
};

long number(const char* text) {
  char* end = nullptr;
  const long value = strtol(text, &end, 0);
  if (end == text || *end) {
    fprintf(stderr, "tlshub-peer: %s is no number\n", text);
    exit(64);
  }
  return value;
}

Options parse(int argc, char** argv) {
  static const option kLong[] = {{"protocol", 1, nullptr, 'p'},    {"port-id", 1, nullptr, 'i'},
                                 {"udp-port", 1, nullptr, 'u'},    {"listen", 1, nullptr, 'l'},
                                 {"lifetime", 1, nullptr, 't'},    {"misbehave", 1, nullptr, 'm'},
                                 {"master-keys", 1, nullptr, 'k'}, {"echo-sequence", 0, nullptr, 'e'},
                                 {"background", 0, nullptr, 'b'},  {nullptr, 0, nullptr, 0}};
  Options options;
  for (int letter; (letter = getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    const std::string value = optarg ? optarg : "";
    const size_t equals = value.find('=');
    switch (letter) {
      case 'p':
        options.protocol = static_cast<int>(number(optarg));
        break;
      case 'i':
        options.portId = static_cast<uint32_t>(number(optarg));
        break;
      case 'u':
        options.udpPort = static_cast<uint16_t>(number(optarg));
        break;
      case 'l':
        if (inet_pton(AF_INET, optarg, &options.listen) != 1) die(optarg);
        break;
      case 't':
        options.lifetime = milliseconds(number(optarg));
        break;
      case 'm':
        options.misbehave[value.substr(0, equals)] =
            equals == std::string::npos ? 0 : number(value.c_str() + equals + 1);
        break;
      case 'k':
        options.masterKeys = value;
        break;
      case 'e':
        options.echoSequence = true;
        break;
      case 'b':
        options.background = true;
        break;
      default:
        fputs(kUsage, stderr);
        exit(64);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  Peer peer(options);
  // Bound by now, so whoever waited for us may go on.
  if (options.background) {
    if (fork() > 0) _exit(0);
    setsid();
  }
  printf("ready\n");
  fflush(stdout);
  peer.run();
}
