// SPDX-License-Identifier: Apache-2.0
#include "generic_netlink.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <optional>

#include "../error.h"

namespace tlshub::module {

namespace {

using Bytes = GenericNetlink::Bytes;

// The module answers at once; what takes longer will not come.
constexpr timeval kPatience = {10, 0};
// A dump's messages come in pieces of at most this size (NLMSG_GOODSIZE and what a reader offers, net/netlink/af_netlink.c).
constexpr size_t kPiece = 32768;

CodedError malformed(const std::string& what) {
  return CodedError("TLSHUB_MODULE_PROTOCOL", "generic netlink: " + what);
}

// The first attribute of this type in a row of them.
std::optional<Bytes> attributeOf(const uint8_t* from, size_t size, uint16_t type) {
  while (size >= sizeof(nlattr)) {
    nlattr head;
    memcpy(&head, from, sizeof(head));
    if (head.nla_len < sizeof(head) || head.nla_len > size) break;
    if ((head.nla_type & NLA_TYPE_MASK) == type) return Bytes(from + sizeof(head), from + head.nla_len);
    const size_t step = std::min<size_t>(NLA_ALIGN(head.nla_len), size);
    from += step;
    size -= step;
  }
  return std::nullopt;
}

// What the kernel says beside errno: the attributes behind a refusal (NETLINK_EXT_ACK). The request is repeated in front of them unless
// NLM_F_CAPPED says that its header is all there is of it.
std::string wordsOf(const nlmsghdr& head, const uint8_t* body, size_t size) {
  nlmsgerr refusal;
  if (!(head.nlmsg_flags & NLM_F_ACK_TLVS) || size < sizeof(refusal)) return "";
  memcpy(&refusal, body, sizeof(refusal));
  const size_t begin =
      head.nlmsg_flags & NLM_F_CAPPED ? sizeof(refusal) : sizeof(int) + NLMSG_ALIGN(refusal.msg.nlmsg_len);
  if (begin > size) return "";
  const std::optional<Bytes> text = attributeOf(body + begin, size - begin, NLMSGERR_ATTR_MSG);
  return text ? std::string(reinterpret_cast<const char*>(text->data()),
                            strnlen(reinterpret_cast<const char*>(text->data()), text->size()))
              : "";
}

// Throws if it refuses. `body` is that of NLMSG_ERROR or NLMSG_DONE, both of which begin with a negative errno, or 0.
void throwRefusal(const nlmsghdr& head, const uint8_t* body, size_t size) {
  int error = 0;
  if (size < sizeof(error)) return;
  memcpy(&error, body, sizeof(error));
  if (error >= 0) return;
  const std::string words = head.nlmsg_type == NLMSG_ERROR ? wordsOf(head, body, size) : "";
  throw SysError("netlink", words.empty() ? "the kernel refuses it" : "the kernel refuses it: " + words,
                 -error);
}

}  // namespace

GenericNetlink::GenericNetlink(const std::string& family, uint8_t version) : version_(version) {
  fd_.reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
  if (!fd_) throw SysError("socket", "cannot make a netlink socket");
  const int on = 1;
  setsockopt(fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  // Connected to the kernel: nobody else's messages come here.
  if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel)))
    throw SysError("connect", "cannot connect the netlink socket");
  Bytes name(sizeof(nlattr) + NLA_ALIGN(family.size() + 1));
  const nlattr head = {static_cast<uint16_t>(sizeof(nlattr) + family.size() + 1), CTRL_ATTR_FAMILY_NAME};
  memcpy(name.data(), &head, sizeof(head));
  memcpy(name.data() + sizeof(head), family.c_str(), family.size());
  std::vector<Bytes> answers;
  try {
    answers = exchange(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, false, name.data(), name.size());
  } catch (const SysError& error) {
    if (error.err() != ENOENT) throw;
    throw CodedError("TLSHUB_MODULE_MISSING",
                     "the kernel has no netlink family \"" + family + "\": is the TLSHub module loaded?");
  }
  const std::optional<Bytes> id =
      answers.empty() ? std::nullopt : attributeOf(answers[0].data(), answers[0].size(), CTRL_ATTR_FAMILY_ID);
  if (!id || id->size() < sizeof(family_)) throw malformed("no number for the family \"" + family + "\"");
  memcpy(&family_, id->data(), sizeof(family_));
}

std::vector<Bytes> GenericNetlink::ask(uint8_t command, bool dump, const uint8_t* attributes, size_t size) {
  return exchange(family_, command, version_, dump, attributes, size);
}

std::vector<Bytes> GenericNetlink::exchange(uint16_t type, uint8_t command, uint8_t version, bool dump,
                                            const uint8_t* attributes, size_t size) {
  struct Head {
    nlmsghdr netlink;
    genlmsghdr generic;
  } head = {};
  head.netlink.nlmsg_len = static_cast<uint32_t>(sizeof(head) + size);
  head.netlink.nlmsg_type = type;
  head.netlink.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | (dump ? NLM_F_DUMP : NLM_F_ACK));
  head.netlink.nlmsg_seq = ++sequence_;
  head.generic.cmd = command;
  head.generic.version = version;
  // In two pieces: attributes may be a key, of which there is to be no copy here.
  iovec pieces[] = {{&head, sizeof(head)}, {const_cast<uint8_t*>(attributes), size}};
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  if (sendmsg(fd_.get(), &message, 0) < 0) throw SysError("sendmsg", "cannot ask the kernel");

  std::vector<Bytes> answers;
  Bytes piece(kPiece);
  for (;;) {
    const ssize_t got = recv(fd_.get(), piece.data(), piece.size(), MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw SysError("recv", "the kernel does not answer");
    if (static_cast<size_t>(got) > piece.size())
      throw malformed("an answer of " + std::to_string(got) + " bytes");
    size_t left = static_cast<size_t>(got);
    for (const uint8_t* at = piece.data(); left >= sizeof(nlmsghdr);) {
      nlmsghdr one;
      memcpy(&one, at, sizeof(one));
      if (one.nlmsg_len < sizeof(one) || one.nlmsg_len > left) throw malformed("an answer that was cut");
      const uint8_t* body = at + sizeof(one);
      const size_t bytes = one.nlmsg_len - sizeof(one);
      if (one.nlmsg_seq == sequence_ && (one.nlmsg_type == NLMSG_ERROR || one.nlmsg_type == NLMSG_DONE)) {
        throwRefusal(one, body, bytes);
        return answers;
      }
      if (one.nlmsg_seq == sequence_ && one.nlmsg_flags & NLM_F_DUMP_INTR)
        throw SysError("netlink", "what there is changed while it was read: ask again", EINTR);
      if (one.nlmsg_seq == sequence_ && bytes >= sizeof(genlmsghdr))
        answers.emplace_back(body + sizeof(genlmsghdr), body + bytes);
      const size_t step = std::min<size_t>(NLMSG_ALIGN(one.nlmsg_len), left);
      at += step;
      left -= step;
    }
  }
}

}  // namespace tlshub::module
