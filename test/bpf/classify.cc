// Asks the policy in BPF. Usage: classify OBJECT. Commands on stdin, answers on stdout, all in the machine's byte order:
//   'M' n, n * {addr[16], prefix, local}          sets the mesh
//   'P' policy                                    puts a policy in force
//   'F' n, n * {tuple, role}                      -> n * answer (classify.bpf.c)
//   'S' policy, policy, {tuple, role}, swaps      puts the two in force in turns while the flow is asked about: -> asked, n, n * answer seen
//   'W' wants                                     sets what this side wants of flows that it secures
//   'D' n, n * {class, peer's marker}             -> n * reason to refuse
// policy: permissive, plaintextOnNode, n, n * {addr[16], prefix, port, rank}. Numbers are u32, commands one byte.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <set>
#include <string>
#include <thread>

#include "../../native/domain/gate_maps.h"

namespace {

struct Question {
  uint8_t ethernet[14];
  struct {
    tlshub_tuple tuple;
    uint32_t role;
  } flow;
} __attribute__((packed));

void fail(const std::string& what) {
  std::fprintf(stderr, "classify: %s\n", what.c_str());
  std::exit(1);
}

void take(void* out, size_t size) {
  if (std::fread(out, 1, size, stdin) != size) fail("the input ends in the middle of a command");
}

uint32_t number() {
  uint32_t n;
  take(&n, sizeof(n));
  return n;
}

void give(uint32_t n) {
  std::fwrite(&n, sizeof(n), 1, stdout);
}

tlshub::GateSettings readPolicy() {
  tlshub::GateSettings settings = {};
  settings.policy.permissive = number() != 0;
  settings.policy.plaintextOnNode = number() != 0;
  settings.policy.rules.resize(number());
  for (tlshub::PolicyRule& rule : settings.policy.rules) {
    take(rule.addr, sizeof(rule.addr));
    rule.prefix = number();
    rule.port = static_cast<uint16_t>(number());
    rule.rank = number();
  }
  return settings;
}

std::vector<tlshub::MeshEntry> readMesh() {
  std::vector<tlshub::MeshEntry> mesh(number());
  for (tlshub::MeshEntry& entry : mesh) {
    take(entry.addr, sizeof(entry.addr));
    entry.prefix = number();
    entry.local = number() != 0;
  }
  return mesh;
}

Question readQuestion() {
  Question question = {};
  take(&question.flow, sizeof(question.flow));
  return question;
}

// In the flow's place.
Question readPair() {
  Question question = {};
  uint32_t pair[2] = {number(), number()};
  std::memcpy(&question.flow, pair, sizeof(pair));
  return question;
}

uint32_t ask(int program, const Question& question) {
  bpf_test_run_opts run = {};
  run.sz = sizeof(run);
  run.data_in = &question;
  run.data_size_in = sizeof(question);
  run.repeat = 1;
  int err = bpf_prog_test_run_opts(program, &run);
  if (err) fail(std::string("BPF_PROG_TEST_RUN: ") + std::strerror(-err));
  return run.retval;
}

void swapAndAsk(int program, const tlshub::SettingsMaps& maps) {
  tlshub::GateSettings policies[2] = {readPolicy(), readPolicy()};
  Question question = readQuestion();
  uint32_t swaps = number(), asked = 0;
  std::atomic<bool> done = false;
  tlshub::writeSettings(maps, policies[1]);
  std::thread writer([&] {
    for (uint32_t i = 0; i < swaps; i++) tlshub::writeSettings(maps, policies[i % 2]);
    done = true;
  });
  std::set<uint32_t> seen;
  for (; !done; asked++) seen.insert(ask(program, question));
  writer.join();
  give(asked);
  give(static_cast<uint32_t>(seen.size()));
  for (uint32_t answer : seen) give(answer);
}

void serve(const char* path) {
  bpf_object* object = bpf_object__open_file(path, nullptr);
  if (!object) fail(std::string("cannot open ") + path);
  bpf_map* map;
  const std::set<std::string> used = {"settings", "policy", "rules", "mesh"};
  bpf_object__for_each_map(map, object) if (!used.count(bpf_map__name(map)))
      bpf_map__set_autocreate(map, false);
  int err = bpf_object__load(object);
  if (err) fail(std::string("the kernel refused the program: ") + std::strerror(-err));
  auto of = [&](const char* name) { return bpf_program__fd(bpf_object__find_program_by_name(object, name)); };
  int program = of("answer"), compare = of("compare");
  auto fd = [&](const char* name) { return bpf_object__find_map_fd_by_name(object, name); };
  const tlshub::SettingsMaps maps = {fd("settings"), fd("policy"), fd("rules")};
  for (int command; (command = std::getchar()) != EOF;) {
    if (command == 'M') {
      tlshub::replaceMesh(fd("mesh"), readMesh());
    } else if (command == 'P') {
      tlshub::writeSettings(maps, readPolicy());
    } else if (command == 'F') {
      for (uint32_t n = number(); n > 0; n--) give(ask(program, readQuestion()));
    } else if (command == 'W') {
      tlshub::writeIntent(fd("settings"), number());
    } else if (command == 'D') {
      for (uint32_t n = number(); n > 0; n--) give(ask(compare, readPair()));
    } else if (command == 'S') {
      swapAndAsk(program, maps);
    } else {
      fail("unknown command");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) fail("usage: classify OBJECT");
  try {
    serve(argv[1]);
  } catch (const std::exception& error) {
    fail(error.what());
  }
  return 0;
}
