// SPDX-License-Identifier: Apache-2.0
// Owners of the kernel domain: whatever of a constructor fails, nothing that it had opened is left; what is taken back after a failure; and
// that a walk through a map has an end.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "../domain/fd.h"
#include "../domain/lease.h"
#include "../domain/map_keys.h"
#include "../domain/streams.h"
#include "../domain/undo.h"
#include "check.h"

using namespace tlshub;

namespace {

int descriptors() {
  const Folder folder = openFolder("/proc/self/fd");
  int n = 0;
  while (readdir(folder.get())) n++;
  return n;
}

// Where a file with this name is mapped.
int mappings(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  int n = 0;
  for (std::string line; std::getline(maps, line);) n += line.find(name) != std::string::npos;
  return n;
}

// With less of a resource than anything needs.
class Short {
 public:
  Short(__rlimit_resource resource, rlim_t limit) : resource_(resource) {
    getrlimit(resource_, &before_);
    rlimit less = {limit, before_.rlim_max};
    setrlimit(resource_, &less);
  }
  ~Short() { setrlimit(resource_, &before_); }

 private:
  __rlimit_resource resource_;
  rlimit before_;
};

Fd leases() {
  Fd fd(memfd_create("lease-of-a-test", MFD_CLOEXEC));
  check(!ftruncate(fd.get(), sysconf(_SC_PAGESIZE)), "no memory for the lease");
  return fd;
}

void lease(const char* what, const std::function<Lease*(int)>& make) {
  const Fd fd = leases();
  const int before = descriptors();
  bool threw = false;
  try {
    delete make(fd.get());
  } catch (const std::exception&) {
    threw = true;
  }
  check(threw, std::string(what) + ": it did not fail");
  check(descriptors() == before, std::string(what) + ": a descriptor is left");
  check(mappings("lease-of-a-test") == 0, std::string(what) + ": memory is left mapped");
}

void leaseWithoutMap() {
  lease("no map", [](int) { return new Lease(-1, 1000, 100); });
}

void leaseWithoutDescriptors() {
  lease("no descriptors", [](int fd) {
    const Short few(RLIMIT_NOFILE, static_cast<rlim_t>(fd));
    return new Lease(fd, 1000, 100);
  });
}

void leaseWithoutThread() {
  lease("no thread", [](int fd) {
    // Room for the page of the lease, and for no thread's stack.
    std::ifstream statm("/proc/self/statm");
    rlim_t pages = 0;
    statm >> pages;
    const Short little(RLIMIT_AS, (pages + 64) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)));
    return new Lease(fd, 1000, 100);
  });
}

void leaseThatLives() {
  const Fd fd = leases();
  const int before = descriptors();
  {
    const Lease lease(fd.get(), 1000, 100);
    check(descriptors() == before + 1, "it has an eventfd");
    check(mappings("lease-of-a-test") == 1, "it has the page mapped");
  }
  check(descriptors() == before, "a descriptor is left");
  check(mappings("lease-of-a-test") == 0, "memory is left mapped");
}

// What a failure says after `steps` were taken back.
std::string said(Undo& undo) {
  try {
    try {
      throw SysError("bpf", "cannot pin", ENOMEM);
    } catch (...) {
      undo.rethrow();
    }
  } catch (const SysError& error) {
    check(error.err() == ENOMEM && error.code() == "TLSHUB_SYS", "it is another error");
    return error.what();
  }
}

void undoing() {
  Undo undo;
  std::string done;
  undo.add([&] { done += "first"; });
  undo.add([&] { done += "second,"; });
  check(said(undo) == "cannot pin: bpf: Cannot allocate memory", "it says something else");
  check(done == "second,first", "not last first: " + done);
}

void undoingThatFails() {
  Undo undo;
  std::string done;
  undo.add([&] { done += "first"; });
  undo.add([] { throw std::runtime_error("no room"); });
  const std::string text = said(undo);
  check(text == "cannot pin: bpf: Cannot allocate memory; and not all could be put back as it was: no room",
        "it says: " + text);
  check(done == "first", "what came before was not taken back");
}

// The stops map while programs are stopped and continued all the time: each key is gone when its successor is asked for, so that the kernel
// begins anew with the first one, and there is always one.
void keysOfMapThatChanges() {
  constexpr size_t kMost = 1000;
  size_t asked = 0;
  const auto keys = keysOfMap<int>(
      [&](const int*, int* to) {
        *to = 7;
        return ++asked > 10 * kMost ? -1 : 0;
      },
      kMost);
  check(keys.size() == kMost && asked == kMost, "it took " + std::to_string(asked) + " steps");
}

void keysOfMapThatRests() {
  const auto next = [](const int* from, int* to) {
    *to = from ? *from + 1 : 1;
    return *to > 3 ? -1 : 0;
  };
  check(keysOfMap<int>(next, 10) == std::vector<int>({1, 2, 3}), "not its keys");
  check(keysOfMap<int>([](const int*, int*) { return -1; }, 10).empty(), "an empty map has keys");
}

}  // namespace

int main() {
  const std::pair<const char*, void (*)()> cases[] = {
      {"a lease without a map leaves nothing", leaseWithoutMap},
      {"a lease without descriptors leaves nothing", leaseWithoutDescriptors},
      {"a lease without a thread leaves nothing", leaseWithoutThread},
      {"a lease that ends leaves nothing", leaseThatLives},
      {"the keys of a map that changes all the time have an end", keysOfMapThatChanges},
      {"the keys of a map that rests are all there", keysOfMapThatRests},
      {"what is taken back is so last first", undoing},
      {"a step that cannot be taken back neither stops the others nor hides the failure", undoingThatFails},
  };
  int passed = 0, failed = 0;
  for (const auto& [name, run] : cases) {
    problems = 0;
    run();
    std::printf("%s %s\n", problems == 0 ? "ok  " : "FAIL", name);
    (problems == 0 ? passed : failed)++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
