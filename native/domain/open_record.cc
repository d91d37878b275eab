// SPDX-License-Identifier: Apache-2.0
#include "open_record.h"

#include <bpf/bpf.h>
#include <linux/tls.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "clock.h"
#include "error.h"
#include "fd.h"

namespace tlshub {
namespace {

constexpr unsigned char kApplicationData = 23;  // RFC 8446, 5.1
// TLS's own worker sends as well, for a moment; a program that waits for room does so for longer.
constexpr int kLooks = 5;
constexpr long kLookNs = 200'000;
constexpr uint32_t kFirstBatch = 256;
// In one look. Who has made so many notes keeps nobody else waiting for long: helpers take a moment for each, and then it is gone.
constexpr size_t kMostDue = 8192;

// EBUSY: somebody is just sending, EAGAIN: a record is open, 0: neither.
int askOpenRecord(int fd) {
  int value = 0;
  socklen_t length = sizeof(value);
  const bool answered =
      getsockopt(fd, SOL_TLS, TLSHUB_ASK_OPEN, &value, &length) && (errno == EAGAIN || errno == EBUSY);
  return answered ? errno : 0;
}

// Whoever sends has TLS's lock, and waits with it for as long as the peer reads nothing. So would we; and a record that it opens is looked
// at another time.
int askUntilNobodySends(int fd) {
  int answer = askOpenRecord(fd);
  for (int looks = 1; answer == EBUSY && looks < kLooks; looks++) {
    const timespec pause = {0, kLookNs};
    nanosleep(&pause, nullptr);
    answer = askOpenRecord(fd);
  }
  return answer;
}

// Takes the note away, unless there was another call: that one may not have come to the socket yet, and what it brings would never be looked
// at. It writes the note as a whole, so either it is here what it wrote, or it comes after this and is not taken away.
void forgetNote(int openRecords, uint64_t cookie, const tlshub_open_record& seen) {
  tlshub_open_record taken = {};
  if (bpf_map_lookup_and_delete_elem(openRecords, &cookie, &taken)) return;
  if (taken.called_ns != seen.called_ns) bpf_map_update_elem(openRecords, &cookie, &taken, BPF_NOEXIST);
}

bool closeIfOpen(const FlowMaps& maps, int fd, uint64_t cookie, const tlshub_open_record& note) {
  if (askUntilNobodySends(fd) == EBUSY) return false;
  // First the note, then the record: a call that comes in between makes another note.
  if (note.called_ns + TLSHUB_CORK_NS <= monotonicNs()) forgetNote(maps.openRecords, cookie, note);
  if (askOpenRecord(fd) != EAGAIN) return false;
  closeOpenRecord(fd);
  return true;
}

}  // namespace

// A control message of a record's type, with no data behind it, closes the record that is open and begins none (tls_process_cmsg() of
// net/tls/tls_main.c, 6.1 to 7.3). That it would block says that TCP has no room yet.
void closeOpenRecord(int fd) {
  union {
    cmsghdr head;
    char bytes[CMSG_SPACE(1)];
  } control = {};
  msghdr message = {};
  message.msg_control = &control;
  message.msg_controllen = CMSG_LEN(1);
  control.head.cmsg_level = SOL_TLS;
  control.head.cmsg_type = TLS_SET_RECORD_TYPE;
  control.head.cmsg_len = CMSG_LEN(1);
  *CMSG_DATA(&control.head) = kApplicationData;
  sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool pushOpenRecord(const FlowMaps& maps, const SocketOwner& owner) {
  tlshub_open_record note = {};
  if (bpf_map_lookup_elem(maps.openRecords, &owner.cookie, &note)) return false;
  tlshub_dup nobody = {};
  if (bpf_map_update_elem(maps.dups, &owner.cookie, &nobody, BPF_NOEXIST)) {
    if (errno == EEXIST) return false;  // whoever has opened the gate has yet to close its own
    throw SysError("bpf", "cannot tell the gate of a descriptor");
  }
  Fd fd;
  bool pushed = false;
  try {
    fd = duplicate(owner);
    pushed = closeIfOpen(maps, fd.get(), owner.cookie, note);
  } catch (const CodedError& error) {
    release(maps, fd.release(), owner.cookie);
    if (error.code() == "TLSHUB_SOCKET_GONE" && owner.search)
      forgetNote(maps.openRecords, owner.cookie, note);
    throw;
  }
  release(maps, fd.release(), owner.cookie);
  return pushed;
}

DueRecords dueRecords(int openRecordsFd, uint64_t sinceNs, uint32_t mostOfOne) {
  DueRecords found;
  std::map<uint32_t, uint32_t> ofProcess;
  std::vector<uint64_t> cookies(kFirstBatch);
  std::vector<tlshub_open_record> notes(kFirstBatch);
  uint32_t place = 0;
  for (bool first = true, more = true; more;) {
    uint32_t count = static_cast<uint32_t>(cookies.size());
    uint32_t next = 0;
    if (bpf_map_lookup_batch(openRecordsFd, first ? nullptr : &place, &next, cookies.data(), notes.data(),
                             &count, nullptr)) {
      if (errno == ENOSPC) {
        // One of the kernel's buckets has more than there is room for.
        cookies.resize(2 * cookies.size());
        notes.resize(cookies.size());
        continue;
      }
      if (errno != ENOENT) throw SysError("bpf", "cannot read the notes of open records");
      more = false;
    }
    for (uint32_t i = 0; i < count; i++) {
      if (notes[i].since_ns > sinceNs)
        found.nextNs = found.nextNs ? std::min<uint64_t>(found.nextNs, notes[i].since_ns) : notes[i].since_ns;
      else if (found.due.size() < kMostDue && ofProcess[notes[i].tgid]++ < mostOfOne)
        found.due.push_back({cookies[i], notes[i]});
    }
    place = next;
    first = false;
  }
  return found;
}

}  // namespace tlshub
