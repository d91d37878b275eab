// SPDX-License-Identifier: Apache-2.0
// Requests as a kernel writes them, and such as none should; each in memory that ends where it ends, for AddressSanitizer.
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <random>

#include "../holder/file_system.h"
#include "holder_kit.h"

namespace tlshub::holder::test {
namespace {

const std::string kProgram = "the program's bytes";
const FileSystem kFileSystem(kProgram);

// A request with this body.
class Written {
 public:
  Written(uint32_t opcode, const std::string& body, uint64_t node = FUSE_ROOT_ID) {
    fuse_in_header head{};
    head.opcode = opcode;
    head.unique = 77;
    head.nodeid = node;
    head.pid = 4711;
    head.len = static_cast<uint32_t>(sizeof(head) + body.size());
    bytes_ = head.len;
    memory_ = std::make_unique<char[]>(bytes_);
    std::memcpy(memory_.get(), &head, sizeof(head));
    std::memcpy(memory_.get() + sizeof(head), body.data(), body.size());
  }
  Request request() const { return parseRequest(memory_.get(), bytes_).value(); }
  std::optional<Answer> answer() const { return kFileSystem.answer(request()); }

 private:
  size_t bytes_;
  std::unique_ptr<char[]> memory_;
};

template <typename T>
std::string bytesOf(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T contentOf(const std::optional<Answer>& answer) {
  T content{};
  check(answer && answer->head().error == 0 && answer->bytes() == sizeof(T), "an answer of another length");
  if (answer && answer->bytes() == sizeof(T)) std::memcpy(&content, answer->data(), sizeof(T));
  return content;
}

int errorOf(const std::optional<Answer>& answer) {
  check(answer && answer->bytes() == 0, "an error, and more than that");
  return answer ? answer->head().error : 0;
}

std::string attributeQuestion(const std::string& name, uint32_t room) {
  fuse_getxattr_in in{};
  in.size = room;
  return bytesOf(in) + name;
}

void heads() {
  std::string bytes(sizeof(fuse_in_header), 0);
  const auto length = static_cast<uint32_t>(bytes.size());
  std::memcpy(&bytes[0], &length, sizeof(length));
  check(parseRequest(bytes.data(), bytes.size()).has_value(), "a head alone is a request");
  check(!parseRequest(bytes.data(), bytes.size() - 1), "less than a head");
  check(!parseRequest(nullptr, 0), "nothing at all");
  bytes += 'x';
  check(!parseRequest(bytes.data(), bytes.size()), "another length than it says");
}

void attributes() {
  const Written good(FUSE_GETXATTR, attributeQuestion(std::string("user.hold\0", 10), 8));
  const auto asked = askedAttribute(good.request());
  check(asked && asked->name == kHoldAttribute && asked->room == 8, "it is not understood");
  check(!askedAttribute(Written(FUSE_GETXATTR, attributeQuestion("user.hold", 8)).request()),
        "a name without an end");
  check(!askedAttribute(Written(FUSE_GETXATTR, attributeQuestion("", 8)).request()), "no name");
  check(!askedAttribute(Written(FUSE_GETXATTR, "1234567").request()), "too short");
  check(!askedAttribute(Written(FUSE_LOOKUP, attributeQuestion(std::string("user.hold\0", 10), 8)).request()),
        "not asked for");
}

void interrupts() {
  const fuse_interrupt_in in = {42};
  check(interruptedRequest(Written(FUSE_INTERRUPT, bytesOf(in)).request()) == uint64_t{42},
        "another request");
  check(!interruptedRequest(Written(FUSE_INTERRUPT, "1234567").request()), "too short");
  check(!interruptedRequest(Written(FUSE_FORGET, bytesOf(in)).request()), "not an interrupt");
}

void looksAgain() {
  const Answer some = lookAgain(5, 8), length = lookAgain(5, 0);
  check(some.head().unique == 5 && some.head().error == 0 && some.bytes() == 1, "not a value of one byte");
  check(contentOf<fuse_getxattr_out>(length).size == 1, "not the length of it");
}

void beginning() {
  fuse_init_in in{};
  in.major = FUSE_KERNEL_VERSION;
  in.minor = 31;
  check(contentOf<fuse_init_out>(Written(FUSE_INIT, bytesOf(in)).answer()).minor == 31,
        "a later minor than the kernel's");
  in.minor = 9999;
  const auto out = contentOf<fuse_init_out>(Written(FUSE_INIT, bytesOf(in)).answer());
  check(out.major == FUSE_KERNEL_VERSION && out.minor == FUSE_KERNEL_MINOR_VERSION && out.flags == 0,
        "not what we know");
  in.major++;
  check(contentOf<fuse_init_out>(Written(FUSE_INIT, bytesOf(in)).answer()).major == FUSE_KERNEL_VERSION,
        "a later major");
  in.major = FUSE_KERNEL_VERSION - 1;
  check(errorOf(Written(FUSE_INIT, bytesOf(in)).answer()) == -EPROTO, "an earlier major");
  check(errorOf(Written(FUSE_INIT, "short").answer()) == -EPROTO, "too short");
}

void finding() {
  const std::string name = std::string(kFileName) + '\0';
  const auto entry = contentOf<fuse_entry_out>(Written(FUSE_LOOKUP, name).answer());
  check(entry.attr.size == kProgram.size() && entry.attr.mode == (S_IFREG | 0555) &&
            entry.nodeid != FUSE_ROOT_ID,
        "another file");
  check(errorOf(Written(FUSE_LOOKUP, name, entry.nodeid).answer()) == -ENOENT, "a file below the file");
  check(errorOf(Written(FUSE_LOOKUP, std::string("tlshub\0", 7)).answer()) == -ENOENT, "another name");
  check(errorOf(Written(FUSE_LOOKUP, std::string(kFileName)).answer()) == -ENOENT, "a name without an end");
  const auto root = contentOf<fuse_attr_out>(Written(FUSE_GETATTR, "").answer());
  check(S_ISDIR(root.attr.mode), "the root is no folder");
  check(
      contentOf<fuse_attr_out>(Written(FUSE_GETATTR, "", entry.nodeid).answer()).attr.size == kProgram.size(),
      "another size");
  contentOf<fuse_open_out>(Written(FUSE_OPEN, "", entry.nodeid).answer());
  contentOf<fuse_statfs_out>(Written(FUSE_STATFS, "").answer());
}

void reading() {
  const auto piece = [](uint64_t offset, uint32_t size) {
    fuse_read_in in{};
    in.offset = offset;
    in.size = size;
    const auto answer = Written(FUSE_READ, bytesOf(in)).answer();
    check(answer && answer->head().error == 0, "it cannot be read");
    return answer ? std::string(static_cast<const char*>(answer->data()), answer->bytes()) : "";
  };
  check(piece(0, 4096) == kProgram, "not the whole");
  check(piece(4, 7) == kProgram.substr(4, 7), "not the middle");
  check(piece(kProgram.size() - 1, 7) == kProgram.substr(kProgram.size() - 1), "not the last byte");
  check(piece(kProgram.size(), 7).empty() && piece(UINT64_MAX, UINT32_MAX).empty(), "more than there is");
  check(errorOf(Written(FUSE_READ, "short").answer()) == -EINVAL, "too short");
}

void otherRequests() {
  const Written other(FUSE_GETXATTR, attributeQuestion(std::string("security.capability\0", 20), 8));
  check(errorOf(other.answer()) == -ENODATA, "it has an attribute");
  check(errorOf(Written(FUSE_GETXATTR, "").answer()) == -ENODATA, "ENOSYS: the kernel would not ask again");
  for (uint32_t opcode : {FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_INTERRUPT})
    check(!Written(opcode, "").answer(), "an answer to what wants none");
  for (uint32_t opcode : {FUSE_FLUSH, FUSE_RELEASE, FUSE_ACCESS, FUSE_DESTROY})
    check(errorOf(Written(opcode, "").answer()) == 0, "it does not succeed");
  for (uint32_t opcode : {uint32_t{FUSE_WRITE}, uint32_t{FUSE_SETXATTR}, uint32_t{FUSE_LINK}, uint32_t{4096}})
    check(errorOf(Written(opcode, "").answer()) == -ENOSYS, "it is done");
}

// Nothing outside of a request is read, whatever it says. AddressSanitizer looks.
void noise() {
  std::mt19937_64 random(4);
  size_t answers = 0;
  for (int i = 0; i < 100000; i++) {
    std::string body(random() % 80, 0);
    for (char& byte : body) byte = random() % 4 ? static_cast<char>(random()) : 0;
    const Written written(static_cast<uint32_t>(random() % 56), body, random() % 3);
    askedAttribute(written.request());
    interruptedRequest(written.request());
    const auto answer = written.answer();
    if (!answer) continue;
    answers++;
    check(answer->head().error <= 0 && answer->head().error > -512, "an error that the kernel does not take");
    check(answer->head().unique == 77, "an answer to another request");
  }
  check(answers > 50000, "hardly anything was answered");
}

}  // namespace

const Case kWireCases[9] = {
    {"a request is one that is as long as it says", heads},
    {"an attribute's name ends in its request", attributes},
    {"an interrupt names a request", interrupts},
    {"who looks again gets a value, or its length", looksAgain},
    {"the kernel is told what both know", beginning},
    {"there is one file", finding},
    {"the file is read to its end and no further", reading},
    {"other requests get what keeps the kernel asking", otherRequests},
    {"noise is answered, and nothing else read", noise},
};

}  // namespace tlshub::holder::test
