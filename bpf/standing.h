/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Array "standing", one element, of its own in each object that puts callers to sleep: how it is with the gate behind it. Written by user space
 * (native/domain/retired.h, sleeping.h).
 */
#ifndef TLSHUB_STANDING_H
#define TLSHUB_STANDING_H

#define STANDING_MAP "standing"

enum tlshub_standing {
	STANDING_BEFORE =
		0, /* not in force yet: an earlier one may be behind it as well, and nobody sleeps here */
	STANDING_IN_FORCE = 1,
	STANDING_REPLACED = 2, /* it goes, or has gone: who has slept does not count on it */
};

#endif
