// SPDX-License-Identifier: Apache-2.0
#include "serve.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../domain/error.h"
#include "../domain/flush.h"
#include "../domain/open_record.h"
#include "../domain/sock_diag.h"
#include "exchange.h"

namespace tlshub::helper {
namespace {

template <size_t n>
void copy(char (&to)[n], const std::string& from) {
  std::snprintf(to, n, "%s", from.c_str());
}

SocketOwner ownerOf(const Request& request) {
  return {request.tgid, request.hint, request.inode, request.cookie, request.search != 0};
}

// Points into the keys. Throws CodedError TLSHUB_SECRETS: there are none.
Installation installationOf(const Request& request, const Secret<TrafficKeys>& keys) {
  if (!keys) throwNoSecretMemory(ENOMEM);
  const Install& what = request.install;
  const auto cipher = static_cast<Cipher>(what.cipher);
  const DirectionKeys client = {cipher, keys->clientKey, keys->clientIv,
                                what.active ? what.txSequence : what.rxSequence};
  const DirectionKeys server = {cipher, keys->serverKey, keys->serverIv,
                                what.active ? what.rxSequence : what.txSequence};
  return {request.cookie,
          request.generation,
          what.active ? client : server,
          what.active ? server : client,
          what.sent,
          what.received,
          what.provider,
          what.askedNs,
          what.startedNs,
          what.negotiationNs,
          std::string(what.peerNode, strnlen(what.peerNode, sizeof(what.peerNode)))};
}

void takeSocket(const FlowMaps& maps, const Request& request, Fd& socket, Answer& answer) {
  const Taken taken = take(maps, ownerOf(request));
  socket.reset(taken.fd);
  answer.live = taken.live && claim(maps, taken.fd, request.cookie, request.generation);
}

void installKeys(const FlowMaps& maps, const Received& task, Fd& socket, Answer& answer) {
  const Request& request = task.request;
  Installed done;
  try {
    done = install(maps, socket.get(), installationOf(request, task.keys));
    socket.release();
  } catch (...) {
    // Half of what it was to be: nobody is to go on with it.
    try {
      refuse(maps, socket.get(), request.cookie, request.generation, request.tgid);
    } catch (const CodedError&) {
      // the gate is shut all the same, and the first failure is the one to tell
    }
    release(maps, socket.release(), request.cookie);
    throw;
  }
  answer.openedNs = done.openedNs;
  answer.continued = static_cast<uint32_t>(done.continued);
  answer.remembered = done.remembered;
  copy(answer.ulp, done.ulp);
  copy(answer.cipher, done.cipher);
  copy(answer.version, done.version);
}

// The keys are used if it is still this connection, and as a whole: after that it is secured, or refused.
void secure(const FlowMaps& maps, const Received& task, Fd& socket, Served& served) {
  takeSocket(maps, task.request, socket, served.answer);
  if (!served.answer.live) return;
  try {
    installKeys(maps, task, socket, served.answer);
  } catch (const CodedError& error) {
    served = failed(error);
    served.answer.live = true;
  }
}

// Ends by releasing the descriptor, whatever happens before.
template <typename Work>
void andRelease(const FlowMaps& maps, const Request& request, Fd& socket, Answer& answer, Work work) {
  try {
    work();
  } catch (...) {
    release(maps, socket.release(), request.cookie);
    throw;
  }
  answer.continued += static_cast<uint32_t>(release(maps, socket.release(), request.cookie));
}

bool destroyOf(const Request& request) {
  Tuple tuple = {};
  std::memcpy(tuple.local, request.local, sizeof(tuple.local));
  std::memcpy(tuple.remote, request.remote, sizeof(tuple.remote));
  tuple.localPort = request.localPort;
  tuple.remotePort = request.remotePort;
  return destroySocket(tuple, request.cookie, request.tgid);
}

}  // namespace

Served serve(const FlowMaps& maps, const Received& task, Fd& socket) {
  const Request& request = task.request;
  Served served;
  Answer& answer = served.answer;
  switch (request.task) {
    case Task::kTake:
      takeSocket(maps, request, socket, answer);
      break;
    case Task::kHas:
      answer.live = hasSocket(ownerOf(request));
      break;
    case Task::kExchange:
      exchange(socket.get(), request.exchange, task.bytes, served);
      break;
    case Task::kInstall:
      installKeys(maps, task, socket, answer);
      break;
    case Task::kRefuse:
      andRelease(maps, request, socket, answer, [&] {
        const Refused done = refuse(maps, socket.get(), request.cookie, request.generation, request.tgid);
        answer.by = static_cast<uint32_t>(done.by);
        answer.discarded = done.discarded;
        answer.continued = static_cast<uint32_t>(done.continued);
      });
      break;
    case Task::kForbid:
      andRelease(maps, request, socket, answer, [&] {
        answer.continued = static_cast<uint32_t>(
            forbid(maps, socket.get(), request.cookie, request.generation, request.tgid));
      });
      break;
    case Task::kHangUp:
      andRelease(maps, request, socket, answer, [&] {
        hangUp(maps, socket.get(), request.cookie, request.generation, request.handshakeOnly);
      });
      break;
    case Task::kClose:
      andRelease(maps, request, socket, answer, [] {});
      break;
    case Task::kDestroy:
      answer.live = destroyOf(request);
      break;
    case Task::kFlush:
      answer.continued = static_cast<uint32_t>(flush(maps, ownerOf(request)));
      break;
    case Task::kPush:
      answer.live = pushOpenRecord(maps, ownerOf(request));
      break;
    case Task::kSecure:
      secure(maps, task, socket, served);
      break;
  }
  return served;
}

}  // namespace tlshub::helper
