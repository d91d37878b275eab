/* SPDX-License-Identifier: Apache-2.0 */
// What the tests of secrets share.
#pragma once

#include <string>

// Notes a problem of the test that runs.
void check(bool right, const std::string& what);

std::string hexOf(const void* data, size_t size);
std::string fromHex(const std::string& digits);

// secrets_schedule.cc
void hashes();
void macs();
void extractAndExpand();
void keysOfRfc8448();
void keysOfTlshub();

// secrets_channel.cc
void keysOfTheChannel();
void namesOfTheChannel();
void forgottenByTheChannel();
void markersOfTheChannel();
void numbersOfAnEpoch();

// secrets_epochs.cc
void epochsOfVectors();
void numbersTakenTwice();
void epochsForgotten();
void epochsWithinANode();
