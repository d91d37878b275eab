/* SPDX-License-Identifier: Apache-2.0 */
// What the bare loops beside the providers' pools share: their clocks, and what they return.
#pragma once

#include <napi.h>
#include <time.h>

#include <cstdint>
#include <vector>

// Nanoseconds.
inline int64_t now(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1'000'000'000ll + time.tv_nsec;
}

// {cpuNs, latenciesNs}
inline Napi::Object figures(Napi::Env env, int64_t cpuNs, const std::vector<double>& latenciesNs) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("cpuNs", static_cast<double>(cpuNs));
  Napi::Float64Array list = Napi::Float64Array::New(env, latenciesNs.size());
  for (size_t at = 0; at < latenciesNs.size(); at++) list[at] = latenciesNs[at];
  result.Set("latenciesNs", list);
  return result;
}
