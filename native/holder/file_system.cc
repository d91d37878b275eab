// SPDX-License-Identifier: Apache-2.0
#include "file_system.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace tlshub::holder {
namespace {

constexpr uint64_t kFileNode = 2;
// For how many seconds the kernel may believe what it was told: it does not change.
constexpr uint64_t kForLong = 365 * 86400;
constexpr uint32_t kBlockBytes = 4096;

}  // namespace

Answer Answer::of(uint64_t unique, const void* data, size_t bytes) {
  Answer answer(unique);
  answer.head_ = answerHead(unique, 0, bytes);
  answer.elsewhere_ = data;
  return answer;
}

Answer lookAgain(uint64_t unique, uint32_t room) {
  if (room) return Answer::with(unique, '1');
  fuse_getxattr_out out{};
  out.size = 1;
  return Answer::with(unique, out);
}

fuse_attr FileSystem::attributes(uint64_t node) const {
  fuse_attr attr{};
  attr.ino = node;
  attr.nlink = 1;
  attr.mode = node == kFileNode ? S_IFREG | 0555 : S_IFDIR | 0555;
  attr.size = node == kFileNode ? program_.size() : 0;
  attr.blocks = (attr.size + 511) / 512;
  attr.blksize = kBlockBytes;
  return attr;
}

// We need nothing that a kernel may offer. One with a later major version asks a second time, in ours.
Answer FileSystem::initialised(const Request& request) const {
  struct {
    uint32_t major, minor, readahead;
  } in;
  if (!request.read(&in) || in.major < FUSE_KERNEL_VERSION) return {request.head.unique, -EPROTO};
  fuse_init_out out{};
  out.major = FUSE_KERNEL_VERSION;
  out.minor = std::min<uint32_t>(in.minor, FUSE_KERNEL_MINOR_VERSION);
  out.max_readahead = in.readahead;
  out.max_write = kBlockBytes;
  out.time_gran = 1;
  return Answer::with(request.head.unique, out);
}

Answer FileSystem::found(const Request& request) const {
  if (request.head.nodeid != FUSE_ROOT_ID || request.text(0) != kFileName)
    return {request.head.unique, -ENOENT};
  fuse_entry_out out{};
  out.nodeid = kFileNode;
  out.entry_valid = out.attr_valid = kForLong;
  out.attr = attributes(kFileNode);
  return Answer::with(request.head.unique, out);
}

Answer FileSystem::piece(const Request& request) const {
  fuse_read_in in;
  if (!request.read(&in)) return {request.head.unique, -EINVAL};
  const size_t from = std::min<uint64_t>(in.offset, program_.size());
  return Answer::of(request.head.unique, program_.data() + from,
                    std::min<size_t>(in.size, program_.size() - from));
}

std::optional<Answer> FileSystem::answer(const Request& request) const {
  const uint64_t unique = request.head.unique;
  switch (request.head.opcode) {
    case FUSE_INIT:
      return initialised(request);
    case FUSE_LOOKUP:
      return found(request);
    case FUSE_GETATTR: {
      fuse_attr_out out{};
      out.attr_valid = kForLong;
      out.attr = attributes(request.head.nodeid);
      return Answer::with(unique, out);
    }
    case FUSE_OPEN: {
      fuse_open_out out{};
      out.open_flags = FOPEN_KEEP_CACHE;
      return Answer::with(unique, out);
    }
    case FUSE_READ:
      return piece(request);
    case FUSE_STATFS: {
      fuse_statfs_out out{};
      out.st.bsize = out.st.frsize = kBlockBytes;
      return Answer::with(unique, out);
    }
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_ACCESS:
    case FUSE_DESTROY:
      return Answer(unique);
    // Not ENOSYS: the kernel would never ask for an attribute again.
    case FUSE_GETXATTR:
      return Answer(unique, -ENODATA);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return std::nullopt;
    default:
      return Answer(unique, -ENOSYS);
  }
}

}  // namespace tlshub::holder
