// SPDX-License-Identifier: Apache-2.0
// widen OBJECT PID MS OFFSET...: see widen.bpf.c. OFFSETs are of instructions of tls_setsockopt(), in hexadecimal. Says "ready", and on
// SIGTERM how often it made which moment longer.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

void attach(bpf_object* object, const char* program, size_t offset) {
  LIBBPF_OPTS(bpf_kprobe_opts, options);
  options.offset = offset;
  bpf_program* found = bpf_object__find_program_by_name(object, program);
  if (!found || !bpf_program__attach_kprobe_opts(found, "tls_setsockopt", &options)) fail(program);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 64;
  bpf_object* object = bpf_object__open(argv[1]);
  if (!object) fail(argv[1]);
  bpf_map* constants = bpf_object__find_map_by_name(object, ".rodata");
  // As the program's constants lie there; what it has of its own comes behind.
  struct Constants {
    uint32_t only, pad;
    uint64_t waitNs;
  };
  size_t size = 0;
  const void* initial = constants ? bpf_map__initial_value(constants, &size) : nullptr;
  if (!initial || size < sizeof(Constants)) fail(".rodata");
  std::vector<char> values(static_cast<const char*>(initial), static_cast<const char*>(initial) + size);
  const Constants mine = {static_cast<uint32_t>(std::atoi(argv[2])), 0,
                          static_cast<uint64_t>(std::atoi(argv[3])) * 1000000};
  std::memcpy(values.data(), &mine, sizeof(mine));
  if (bpf_map__set_initial_value(constants, values.data(), size)) fail(".rodata");
  if (bpf_object__load(object)) fail("load");
  attach(object, "begins", 0);
  for (int i = 4; i < argc; i++) attach(object, "stores", std::strtoul(argv[i], nullptr, 16));
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  sigprocmask(SIG_BLOCK, &end, nullptr);
  std::puts("ready");
  std::fflush(stdout);
  int signal;
  sigwait(&end, &signal);
  uint64_t times[2] = {};
  int widened = bpf_object__find_map_fd_by_name(object, "widened");
  for (uint32_t i = 0; i < 2; i++)
    if (bpf_map_lookup_elem(widened, &i, &times[i])) fail("widened");
  std::printf("%llu %llu\n", static_cast<unsigned long long>(times[0]),
              static_cast<unsigned long long>(times[1]));
}
