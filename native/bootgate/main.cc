// SPDX-License-Identifier: Apache-2.0
// tlshub-bootgate: shuts the gate before any captured program can run, and goes.
//
//   tlshub-bootgate [--state FILE] [--object FILE] [--check]
//
// It goes by what the last agent has kept (state.h), and leaves what an agent that was killed leaves: programs and maps, pinned, that refuse
// connections to and from addresses of the mesh. The next agent adopts them. Where there are pins already it changes nothing.
//
// Static, and without Node.js: it has to run before anything else does. docs/BOOT_GATE.md has what its words mean.
// Exit status: 0 the gate is shut, or there is nothing to shut it by or for; 1 failed; 64 usage; 77 not root; 78 the file is not to be trusted.
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <string>

#include "../../bpf/abi.generated.h"
#include "../domain/error.h"
#include "../domain/gate.h"
#include "../domain/pins.h"
#include "../domain/streams.h"
#include "plan.h"
#include "state.h"

using namespace tlshub;
using namespace tlshub::bootgate;

namespace {

constexpr char kState[] = "/var/lib/tlshub/boot.state";
constexpr char kObject[] =
    "/../bpf/tlshub.bpf.o";  // beside this program, as the build and the packages have it
// Folders among the pins. The first is there while this program works: who finds it has been preceded by one that was killed. The second says to
// agents whose gate it is that they adopt.
constexpr char kUnfinished[] = "/boot-unfinished";
constexpr char kInForce[] = "/boot";

void say(const std::string& what) {
  std::fprintf(stderr, "tlshub-bootgate: %s\n", what.c_str());
}

std::string timeOf(uint64_t ms) {
  const time_t seconds = static_cast<time_t>(ms / 1000);
  tm parts = {};
  char text[32] = "?";
  if (gmtime_r(&seconds, &parts)) std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string besideThis(const char* name) {
  char path[4096];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
  if (n < 0) throw SysError("readlink", "cannot tell where this program lies (is /proc mounted?)");
  const std::string file(path, static_cast<size_t>(n));
  return file.substr(0, file.rfind('/')) + name;
}

bool exists(const std::string& path) {
  struct stat status = {};
  return !lstat(path.c_str(), &status);
}

// What this program writes into maps must be what the object's programs read: one hash of all layouts stands beside the object (bpf/abi.py).
// Throws CodedError TLSHUB_ABI_MISMATCH.
void checkFits(const std::string& object) {
  const std::string path = object.substr(0, object.rfind('/') + 1) + "abi.json";
  const File file = openFile(path);
  char text[256] = {};
  if (file) (void)!std::fread(text, 1, sizeof(text) - 1, file.get());
  if (std::string(text).find("\"" TLSHUB_ABI_HASH "\"") == std::string::npos)
    throw CodedError("TLSHUB_ABI_MISMATCH", object + " is of another build than this program, by " + path +
                                                ": install both anew (deploy/install, deploy/boot-gate)");
}

void print(const BootState& state) {
  std::printf("boot_policy %s\n", state.policy == BootPolicy::kClosed ? "closed" : "open");
  std::printf("written %s\npins %s\n", timeOf(state.writtenMs).c_str(), state.pinDir.c_str());
  for (const BootScope& scope : state.scopes)
    std::printf("cgroup %s%s\n", scope.path.c_str(), scope.pattern ? " (of a pattern)" : "");
  std::printf("rules %zu\naddresses %zu\n", state.settings.policy.rules.size(), state.mesh.size());
}

int shut(const BootState& state, const std::string& object) {
  const std::string unfinished = state.pinDir + kUnfinished;
  checkFits(object);
  const AgentLock lock = lockAgent(state.pinDir);
  if (!lock.alone) {
    say("an agent works on " + state.pinDir + ": nothing to do");
    return 0;
  }
  if (!exists(unfinished) && !listFolder(state.pinDir + "/links").empty()) {
    say("there is a gate in " + state.pinDir + " already: nothing to do");
    return 0;
  }
  const Plan plan = makePlan(state);
  for (const std::string& note : plan.notes) say(note);
  for (const std::string& missed : plan.missed) say("not captured: " + missed);
  if (plan.options.cgroups.empty()) {
    removeEmptyFolders(state.pinDir);
    return plan.missed.empty() ? 0 : 1;
  }
  makeFolder(unfinished);
  try {
    Gate gate(object, state.pinDir);
    gate.open(plan.options);
  } catch (...) {
    rmdir(unfinished.c_str());
    removeEmptyFolders(state.pinDir);
    throw;
  }
  makeFolder(state.pinDir + kInForce);
  rmdir(unfinished.c_str());
  std::string cgroups;
  for (const std::string& path : plan.options.cgroups) cgroups += " " + path;
  say("the gate is shut for " + std::to_string(plan.options.mesh.size()) +
      " addresses of the mesh until an agent is there; captured:" + cgroups);
  return plan.missed.empty() ? 0 : 1;
}

int run(const std::string& path, const std::string& object, bool checkOnly) {
  BootState state;
  try {
    state = parseState(readState(path));
  } catch (const SysError& error) {
    if (error.err() != ENOENT) throw;
    say("there is no " + path +
        ": no agent has run here yet with boot_policy = closed or open. Nothing is known, so nothing is "
        "shut");
    return 0;
  } catch (const CodedError& error) {
    say(path + " is not to be trusted: " + error.what() +
        ". Nothing is shut: captured programs speak plaintext until an agent is there. Start the agent, "
        "which writes it anew (systemctl start tlshub)");
    return 78;
  }
  if (checkOnly) {
    print(state);
    return 0;
  }
  if (state.policy == BootPolicy::kOpen) {
    say("boot_policy = open: nothing is shut, captured programs speak plaintext until an agent is there");
    return 0;
  }
  if (state.mesh.empty()) say("the mapping that was kept has no address: there is nothing to refuse");
  try {
    return shut(state, object.empty() ? besideThis(kObject) : object);
  } catch (const std::exception& error) {
    say(std::string("the gate is not shut: ") + error.what());
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  static const option options[] = {{"state", required_argument, nullptr, 's'},
                                   {"object", required_argument, nullptr, 'o'},
                                   {"check", no_argument, nullptr, 'c'},
                                   {nullptr, 0, nullptr, 0}};
  std::string path = kState, object;
  bool checkOnly = false;
  for (int c; (c = getopt_long(argc, argv, "", options, nullptr)) != -1;) {
    if (c == 's')
      path = optarg;
    else if (c == 'o')
      object = optarg;
    else if (c == 'c')
      checkOnly = true;
    else
      return 64;
  }
  if (optind != argc) {
    std::fprintf(stderr, "usage: tlshub-bootgate [--state FILE] [--object FILE] [--check]\n");
    return 64;
  }
  if (!checkOnly && geteuid()) {
    say("only root can shut the gate");
    return 77;
  }
  try {
    return run(path, object, checkOnly);
  } catch (const std::exception& error) {
    say(error.what());
    return 1;
  }
}
