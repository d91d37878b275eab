// SPDX-License-Identifier: Apache-2.0
// The runner of handshake_kit.h, and the program.
#include <cstdio>
#include <map>

#include "handshake_kit.h"

namespace kit {

namespace {

struct Case {
  const char* name;
  void (*body)();
};

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

std::map<std::string, int (*)(char**)>& programs() {
  static std::map<std::string, int (*)(char**)> all;
  return all;
}

int problems = 0;

}  // namespace

Registration::Registration(const char* name, void (*body)()) {
  cases().push_back({name, body});
}

Program::Program(const char* name, int (*run)(char** arguments)) {
  programs()[std::string("--") + name] = run;
}

void report(const char* file, int line, const std::string& what) {
  std::printf("    %s:%d: %s\n", file, line, what.c_str());
  problems++;
}

int runAll(const std::string& only) {
  int passed = 0;
  int failed = 0;
  for (const Case& test : cases()) {
    if (std::string(test.name).find(only) == std::string::npos) continue;
    problems = 0;
    test.body();
    std::printf("%s %s\n", problems == 0 ? "ok  " : "FAIL", test.name);
    std::fflush(stdout);
    (problems == 0 ? passed : failed)++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  std::fflush(stdout);
  return failed;
}

}  // namespace kit

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  const auto program = kit::programs().find(only);
  if (program != kit::programs().end()) return program->second(argv + 2);
  return kit::runAll(only) == 0 ? 0 : 1;
}
