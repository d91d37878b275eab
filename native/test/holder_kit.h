/* SPDX-License-Identifier: Apache-2.0 */
// What the tests of the holder's parts share.
#pragma once

#include <string>

namespace tlshub::holder::test {

// Counts a problem of the present case unless `right`.
void check(bool right, const std::string& what);

struct Case {
  const char* name;
  void (*run)();
};

// The cases of each file.
extern const Case kParkedCases[8];
extern const Case kWireCases[9];
extern const Case kPublicationCases[4];

}  // namespace tlshub::holder::test
