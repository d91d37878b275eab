// SPDX-License-Identifier: GPL-2.0-only
#include "selftest.h"

#include <linux/slab.h>

#include "window.h"

#define TAKE(number, verdict)                                                                      \
	do {                                                                                       \
		if (tlshub_window_look(window, number) != (verdict) ||                             \
		    tlshub_window_take(window, number) != (verdict))                               \
			return false;                                                              \
	} while (0)

static bool run(struct tlshub_window *window)
{
	const u64 bits = TLSHUB_WINDOW_BITS;
	u64 i;

	TAKE(0, TLSHUB_NUMBER_NEW);
	TAKE(0, TLSHUB_NUMBER_TAKEN);
	TAKE(9, TLSHUB_NUMBER_NEW);
	TAKE(8, TLSHUB_NUMBER_NEW);
	TAKE(8, TLSHUB_NUMBER_TAKEN);
	TAKE(7, TLSHUB_NUMBER_NEW);
	/* To the edge of the window, and over it. */
	TAKE(bits - 1, TLSHUB_NUMBER_NEW);
	TAKE(1, TLSHUB_NUMBER_NEW);
	TAKE(bits, TLSHUB_NUMBER_NEW);
	TAKE(0, TLSHUB_NUMBER_OLD);
	TAKE(2, TLSHUB_NUMBER_NEW);
	/* What has the place of 9 now is another number. */
	TAKE(bits + 9, TLSHUB_NUMBER_NEW);
	TAKE(9, TLSHUB_NUMBER_OLD);
	TAKE(10, TLSHUB_NUMBER_NEW);
	/* Far away: nothing of before is left. */
	TAKE(100 * bits, TLSHUB_NUMBER_NEW);
	for (i = 99 * bits + 1; i < 100 * bits; i++)
		TAKE(i, TLSHUB_NUMBER_NEW);
	for (i = 99 * bits + 1; i <= 100 * bits; i++)
		TAKE(i, TLSHUB_NUMBER_TAKEN);
	TAKE(99 * bits, TLSHUB_NUMBER_OLD);
	return true;
}

bool tlshub_selftest_window(void)
{
	struct tlshub_window *window = kzalloc(sizeof(*window), GFP_KERNEL);
	bool good = window && run(window);

	kfree(window);
	return good;
}
