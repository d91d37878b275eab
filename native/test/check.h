/* SPDX-License-Identifier: Apache-2.0 */
// What a test program of one file finds wrong, and how often.
#pragma once

#include <cstdio>
#include <string>

inline int problems = 0;

inline void check(bool right, const std::string& what) {
  if (right) return;
  std::printf("     %s\n", what.c_str());
  problems++;
}
