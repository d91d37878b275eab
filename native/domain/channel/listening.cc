// SPDX-License-Identifier: Apache-2.0
// A driver's listener: where it listens, when it rests, and what becomes of connections that come.
#include <sys/epoll.h>

#include <cerrno>

#include "../../../bpf/watch.h"
#include "driver.h"
#include "driver_ids.h"

namespace tlshub::channel {

uint16_t Driver::listen(const Address& address) {
  Fd listener = listenAt(address);
  stopListening();
  listener_ = std::move(listener);
  watchListener();
  return portOf(listener_.get());
}

uint16_t Driver::takeListener(Driver& from) {
  if (!from.listener_ || &from == this) return 0;
  epoll_event unused{};
  epoll_ctl(from.epoll_.get(), EPOLL_CTL_DEL, from.listener_.get(), &unused);
  Fd listener = std::move(from.listener_);
  from.stopListening();
  stopListening();
  listener_ = std::move(listener);
  watchListener();
  return portOf(listener_.get());
}

void Driver::stopListening() {
  listener_.reset();
  restsUntil_ = Time::max();
  setTimer();
}

void Driver::watchListener() {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = AGENTS_WATCH | kListenerId;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event) != 0) rest(Clock::now());
}

// What has come waits in the kernel meanwhile.
void Driver::rest(Time now) {
  epoll_event unused{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), &unused);
  restsUntil_ = now + times_.rest;
  rests_++;
}

void Driver::acceptAll(Time now) {
  for (int i = 0; i < kBatch; i++) {
    Source source;
    Fd connection = acceptFrom(listener_.get(), &source);
    if (!connection) {
      if (isShortage(errno)) rest(now);
      // Whatever else is wrong is so with one connection, which is out of the way (accept(2)).
      return;
    }
    const HalfOpen::Admission admission = half_.admit(source, nodeAddresses_.count(source) != 0, now);
    if (admission.verdict != HalfOpen::Verdict::kAdmitted) {
      dropConnection(std::move(connection));
      continue;
    }
    connections_++;
    Terms terms;
    terms.fd = connection.get();
    terms.side = Side::kListener;
    terms.ownName = ownName_;
    terms.nodes = nodes_;
    Job job{std::move(connection)};
    job.side = Side::kListener;
    job.place = admission.id;
    job.session = std::make_unique<Session>(context_, std::move(terms), now, times_.session);
    advance(jobs_.emplace(++lastId, std::move(job)).first, now);
  }
}

}  // namespace tlshub::channel
