// SPDX-License-Identifier: Apache-2.0
#include "channel_kit.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace kit {

namespace {

// The first byte is the length.
const std::string kOffer = std::string(1, sizeof tlshub::channel::kProtocol - 1) + tlshub::channel::kProtocol;

int selectOurs(SSL*, const unsigned char** out, unsigned char* length, const unsigned char*, unsigned,
               void*) {
  *out = reinterpret_cast<const unsigned char*>(kOffer.data()) + 1;
  *length = static_cast<unsigned char>(kOffer.size() - 1);
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Channel::Time End::now = std::chrono::steady_clock::now();

ContextPtr channelContext(const Identity& identity, const std::string& caPem,
                          const std::vector<std::string>& ciphers, const std::vector<std::string>& groups) {
  return tlshub::channel::createContext({caPem, identity.certPem, identity.keyPem, ciphers, {}}, groups);
}

ContextPtr channelContext(const std::string& node) {
  return channelContext(identityOf(node), labCa().pem());
}

ChannelTerms openerTerms(int fd) {
  ChannelTerms terms;
  terms.fd = fd;
  terms.side = Side::kOpener;
  terms.ownName = "a";
  terms.peerName = "b";
  terms.epoch = kEpoch;
  return terms;
}

ChannelTerms listenerTerms(int fd) {
  ChannelTerms terms;
  terms.fd = fd;
  terms.side = Side::kListener;
  terms.ownName = "b";
  terms.nodes = std::make_shared<tlshub::handshake::NodeSet>(std::vector<std::string>{"a", "node-c"});
  return terms;
}

std::string nodeOf(Side side) {
  return side == Side::kOpener ? "a" : "b";
}

Side otherOf(Side side) {
  return side == Side::kOpener ? Side::kListener : Side::kOpener;
}

ContextPtr contextOfSide(Side side) {
  return channelContext(nodeOf(side));
}

std::string bytesOf(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text += static_cast<char>(byte);
  return text;
}

End::End(const ContextPtr& context, ChannelTerms terms, const tlshub::channel::Times& times)
    : session(context, terms, now, times), fd_(terms.fd) {}

bool End::step() {
  if (ended) return false;
  const auto bytes = [&] { return session.bytes().bytesSent() + session.bytes().bytesReceived(); };
  const uint64_t before = bytes();
  const size_t told = events.size();
  const unsigned offers = proposed;
  ended = session.advance(now) == Channel::Step::kEnded;
  Event event;
  while (session.nextEvent(&event)) {
    if (event.what == Event::kProposed) {
      proposed++;
      if (decides) session.accept(now);
      continue;
    }
    events.push_back(event);
    if (event.what == Event::kOpen) secret = session.takeSecret();
  }
  if (ended) closeSocket();
  return ended || bytes() != before || events.size() != told || proposed != offers;
}

// The descriptor itself belongs to the SocketPair.
void End::closeSocket() {
  shutdown(fd_, SHUT_RDWR);
}

std::string End::secretBytes() const {
  return secret ? std::string(reinterpret_cast<const char*>(secret->bytes), sizeof secret->bytes) : "";
}

SocketPair::SocketPair() {
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0) std::abort();
}

SocketPair::~SocketPair() {
  for (const int each : fd) {
    if (each >= 0) ::close(each);
  }
}

Ends::Ends(const ContextPtr& openerContext, const ContextPtr& listenerContext,
           const tlshub::channel::Times& times,
           const std::function<void(ChannelTerms&, ChannelTerms&)>& change)
    : opener(
          openerContext,
          [&] {
            ChannelTerms mine = openerTerms(sockets.fd[0]), theirs = listenerTerms(sockets.fd[1]);
            if (change) change(mine, theirs);
            return mine;
          }(),
          times),
      listener(
          listenerContext,
          [&] {
            ChannelTerms theirs = openerTerms(sockets.fd[0]), mine = listenerTerms(sockets.fd[1]);
            if (change) change(theirs, mine);
            return mine;
          }(),
          times) {}

void Ends::settle() {
  for (int idle = 0; idle < 2;) {
    const bool opened = opener.step();
    const bool listened = listener.step();
    idle = opened || listened ? 0 : idle + 1;
  }
}

RawTls::Options withoutTickets() {
  RawTls::Options options;
  options.tickets = 0;
  return options;
}

Stranger::Stranger(Side ofSession, const ContextPtr& context, const Identity& its, RawTls::Options options,
                   const tlshub::channel::Times& times, bool speaksOurProtocol)
    : socket(dup(sockets.fd[1])),
      peer(ofSession == Side::kOpener, its, options),
      end(context, ofSession == Side::kOpener ? openerTerms(sockets.fd[0]) : listenerTerms(sockets.fd[0]),
          times) {
  ::close(std::exchange(sockets.fd[1], -1));  // `socket` is the only one
  if (!speaksOurProtocol) return;
  if (ofSession == Side::kOpener) {
    SSL_CTX_set_alpn_select_cb(SSL_get_SSL_CTX(peer.ssl()), selectOurs, nullptr);
  } else {
    SSL_set_alpn_protos(peer.ssl(), reinterpret_cast<const unsigned char*>(kOffer.data()),
                        static_cast<unsigned>(kOffer.size()));
  }
}

void Stranger::settle() {
  for (int idle = 0; idle < 2;) {
    const std::string came = socket.receiveQueued();
    peer.feed(came);
    peer.step();
    const std::string goes = peer.take();
    socket.sendAll(goes);
    const bool stepped = end.step();
    idle = stepped || !came.empty() || !goes.empty() ? 0 : idle + 1;
  }
}

void Stranger::say(const std::string& bytes) {
  peer.write(bytes);
  socket.sendAll(peer.take());
}

tlshub::channel::Hello helloOf(const std::string& opener, const std::string& listener, uint32_t epoch) {
  tlshub::channel::Hello hello;
  hello.epoch = epoch;
  hello.opener = opener;
  hello.listener = listener;
  return hello;
}

std::string codeOf(End& end) {
  if (!end.ended) return "not ended";
  return end->ending().code.empty() ? "in order" : end->ending().code;
}

std::string describe(End& end) {
  return codeOf(end) + ": " + end->ending().reason;
}

std::string eventsOf(const End& end) {
  std::string text;
  for (const Event& event : end.events) {
    if (!text.empty()) text += ' ';
    if (event.what == Event::kOpen) text += "open";
    if (event.what == Event::kNumberTaken) text += "numberTaken(" + std::to_string(event.number) + ")";
    if (event.what == Event::kClosing) text += "closing(" + std::to_string(static_cast<int>(event.why)) + ")";
  }
  return text;
}

}  // namespace kit
