// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "error.h"
#include "fd.h"
#include "ktls.h"
#include "sleeping.h"

namespace tlshub {
namespace {

std::string slurp(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  std::string all = text.str();
  while (!all.empty() && (all.back() == '\n' || all.back() == ' ')) all.pop_back();
  return all;
}

bool listHas(const std::string& list, const std::string& wanted) {
  return ("," + list + ",").find("," + wanted + ",") != std::string::npos;
}

ProbeResult answer(std::string name, bool ok, std::string detail, std::string remedy) {
  return {std::move(name), ok, std::move(detail), ok ? "" : std::move(remedy)};
}

ProbeResult filesystem(const char* path, long magic, const char* name, const char* remedy) {
  struct statfs info = {};
  bool ok =
      !statfs(path, &info) && static_cast<unsigned long>(info.f_type) == static_cast<unsigned long>(magic);
  return answer(name, ok, ok ? std::string("mounted at ") + path : std::string("not mounted at ") + path,
                remedy);
}

ProbeResult programType(const char* name, bpf_prog_type type, const char* remedy) {
  int supported = libbpf_probe_bpf_prog_type(type, nullptr);
  return answer(name, supported == 1, supported == 1 ? "loads" : "the kernel refuses a minimal program",
                remedy);
}

ProbeResult ktls(const char* name, Cipher cipher) {
  const char* remedy =
      "load the module (modprobe tls), or use a kernel with CONFIG_TLS; for a single cipher, take it out of "
      "tls.ciphers";
  try {
    tryCipher(cipher);
    return answer(name, true, "key accepted by a loopback socket", "");
  } catch (const std::exception& error) {
    return answer(name, false, error.what(), remedy);
  }
}

ProbeResult duplication() {
  Fd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  Fd copy(self ? static_cast<int>(syscall(SYS_pidfd_getfd, self.get(), 0, 0)) : -1);
  std::string scope = slurp("/proc/sys/kernel/yama/ptrace_scope");
  bool ok = self && copy && scope != "3";
  return answer("pidfd_getfd", ok,
                ok ? "works" : "refused (yama ptrace_scope " + (scope.empty() ? "none" : scope) + ")",
                "set kernel.yama.ptrace_scope below 3 and run the agent as root (CAP_SYS_PTRACE)");
}

ProbeResult sockDestroy() {
  Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 4 /* NETLINK_SOCK_DIAG */));
  bool module = access("/sys/module/tcp_diag", F_OK) == 0;
  return answer("tcp_diag", netlink && module, module ? "loaded" : "module tcp_diag is not loaded",
                "modprobe tcp_diag: refused connections are ended through it");
}

// Not a lack: it says what captured programs will be refused.
ProbeResult note(const char* name, const std::string& detail) {
  return {name, true, detail, ""};
}

}  // namespace

Pair loopbackPair() {
  Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  Pair pair;
  pair.client = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(listener.get(), any, length) || listen(listener.get(), 1) ||
      getsockname(listener.get(), any, &length) || connect(pair.client.get(), any, length))
    throw SysError("connect", "cannot connect over loopback");
  pair.server = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return pair;
}

void tryCipher(Cipher cipher) {
  Pair pair = loopbackPair();
  if (setsockopt(pair.client.get(), IPPROTO_TCP, TCP_ULP, "tls", 3))
    throw SysError("setsockopt", "cannot attach the tls ULP");
  uint8_t zeros[32] = {};
  setTlsTx(pair.client.get(), {cipher, zeros, zeros, 0});
}

// Tracing programs have what kprobes have, and libbpf can try only those alone.
bool mayWriteToPrograms() {
  return libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_probe_write_user, nullptr) == 1;
}

namespace {

std::string fionread() {
  if (!mayWriteToPrograms())
    return "counts ciphertext, since a locked-down kernel lets no BPF program write to a program's memory: "
           "nginx and others can hang";
  if (prctl(PR_CAPBSET_READ, CAP_SYSLOG) != 1 || slurp("/proc/sys/kernel/kptr_restrict") == "2")
    return "counts what is decrypted and one record behind it: more takes CAP_SYSLOG, and "
           "kernel.kptr_restrict below 2";
  return "answered as by plain TCP";
}

}  // namespace

std::vector<ProbeResult> probe() {
  libbpf_set_print(nullptr);
  std::vector<ProbeResult> results;
  utsname uts = {};
  uname(&uts);
  int major = 0, minor = 0;
  std::sscanf(uts.release, "%d.%d", &major, &minor);
  results.push_back(
      answer("kernel", major > 6 || (major == 6 && minor >= 1), uts.release, "use Linux 6.1 or later"));
  results.push_back(
      answer("root", geteuid() == 0, geteuid() == 0 ? "running as root" : "not root", "run as root"));
  results.push_back(answer("BTF", access("/sys/kernel/btf/vmlinux", R_OK) == 0, "/sys/kernel/btf/vmlinux",
                           "use a kernel with CONFIG_DEBUG_INFO_BTF"));
  results.push_back(filesystem("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC, "cgroup2",
                               "mount -t cgroup2 none /sys/fs/cgroup (unified hierarchy)"));
  results.push_back(filesystem("/sys/fs/bpf", BPF_FS_MAGIC, "bpffs", "mount -t bpf none /sys/fs/bpf"));
  std::string lsm = slurp("/sys/kernel/security/lsm");
  results.push_back(answer("BPF LSM", listHas(lsm, "bpf"),
                           lsm.empty() ? "cannot read /sys/kernel/security/lsm" : "active: " + lsm,
                           lsm.empty() ? "mount -t securityfs none /sys/kernel/security, then check again"
                                       : "add bpf to the kernel command line: lsm=" + lsm + ",bpf"));
  results.push_back(programType("BPF LSM programs", BPF_PROG_TYPE_LSM, "use a kernel with CONFIG_BPF_LSM"));
  results.push_back(programType("BPF tracing programs", BPF_PROG_TYPE_TRACING,
                                "use a kernel with CONFIG_BPF_EVENTS and BTF"));
  results.push_back(
      programType("BPF sockops programs", BPF_PROG_TYPE_SOCK_OPS, "use a kernel with CONFIG_CGROUP_BPF"));
  results.push_back(ktls("kTLS AES-128-GCM", Cipher::kAes128Gcm));
  results.push_back(ktls("kTLS AES-256-GCM", Cipher::kAes256Gcm));
  results.push_back(ktls("kTLS ChaCha20-Poly1305", Cipher::kChaCha20Poly1305));
  results.push_back(duplication());
  results.push_back(sockDestroy());
  const std::string noSleep = whyNoSleep();
  results.push_back(
      note("hold", noSleep.empty()
                       ? "sleep: a held call's thread alone sleeps, nothing else of its process notices"
                       : "stop: a held call's whole process stands still (SIGSTOP); " + noSleep));
  results.push_back(note("FIONREAD", fionread()));
  std::string mptcp = slurp("/proc/sys/net/mptcp/enabled");
  results.push_back(note(
      "MPTCP", mptcp == "1" ? "on: captured programs are refused it (EPROTONOSUPPORT) and use TCP" : "off"));
  results.push_back(
      note("TCP Fast Open",
           "captured clients are refused it (EOPNOTSUPP): data on a SYN leaves before there are keys"));
  return results;
}

}  // namespace tlshub
