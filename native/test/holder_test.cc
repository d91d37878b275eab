// SPDX-License-Identifier: Apache-2.0
// The parts of the holder that need no kernel; and what two holders say in the leases, one after the other.
#include <cstdio>

#include "../../bpf/tlshub.h"
#include "../holder/publication.h"
#include "holder_kit.h"

namespace tlshub::holder::test {
namespace {

int problems = 0;

bool says(const tlshub_leases& leases, uint32_t tgid, uint32_t sleepOn, uint64_t untilNs) {
  return leases.holder_tgid == tgid && leases.sleep_on == sleepOn && leases.holder_until_ns == untilNs;
}

void alone() {
  tlshub_leases leases{};
  leases.agent_until_ns = 1;
  leases.guardian_until_ns = 2;
  Publication one(&leases, 10, 123, 1000);
  one.begin(11, 5);
  check(says(leases, 10, 11, 1005) && leases.holder_start_boottime == 123, "it does not say who it is");
  check(one.renew(6) && says(leases, 10, 11, 1006), "it cannot renew its lease");
  one.withdraw(99);
  check(leases.sleep_on == 11, "it takes back what it has not said");
  one.withdraw(11);
  check(says(leases, 10, 0, 1006), "it goes on offering an anchor that is gone");
  one.offer(12);
  check(says(leases, 10, 12, 1006), "it does not offer another anchor");
  one.end(12);
  check(says(leases, 0, 0, 0), "something is left of it");
  check(leases.agent_until_ns == 1 && leases.guardian_until_ns == 2, "it writes what is others'");
}

void succession() {
  tlshub_leases leases{};
  Publication one(&leases, 10, 123, 1000), two(&leases, 20, 456, 1000);
  one.begin(11, 5);
  two.begin(21, 7);
  check(says(leases, 20, 21, 1007), "the later one has not taken over");
  check(!one.renew(8), "the earlier one goes on");
  one.withdraw(11);
  one.offer(12);
  one.end(12);
  check(says(leases, 20, 21, 1007) && leases.holder_start_boottime == 456,
        "the earlier one writes over the later one");
}

// It had looked for a later one just before that one came.
void successionInBetween() {
  tlshub_leases leases{};
  Publication one(&leases, 10, 123, 1000);
  one.begin(11, 5);
  leases.holder_until_ns = 1007;
  check(!one.renew(8) && leases.holder_until_ns == 1007, "the lease of another one is renewed");
}

void guardian() {
  tlshub_leases leases{};
  Publication one(&leases, 10, 123, 1000);
  one.begin(11, 5);
  leases.holder_tgid = leases.sleep_on = 0;
  check(!one.renew(2000) && says(leases, 0, 0, 1005), "what the guardian took away is there again");
}

}  // namespace

void check(bool right, const std::string& what) {
  if (right) return;
  std::printf("     %s\n", what.c_str());
  problems++;
}

const Case kPublicationCases[4] = {
    {"a holder says who it is, and takes all of it back", alone},
    {"a later holder takes over, and the earlier one writes nothing more", succession},
    {"a lease that another one has renewed is left alone", successionInBetween},
    {"a holder whose name was taken away does not come back", guardian},
};

}  // namespace tlshub::holder::test

int main() {
  using namespace tlshub::holder::test;
  int passed = 0, failed = 0;
  const auto runAll = [&](const auto& cases) {
    for (const Case& each : cases) {
      problems = 0;
      each.run();
      std::printf("%s %s\n", problems == 0 ? "ok  " : "FAIL", each.name);
      (problems == 0 ? passed : failed)++;
    }
  };
  runAll(kParkedCases);
  runAll(kWireCases);
  runAll(kPublicationCases);
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
