/* SPDX-License-Identifier: GPL-2.0-only */
/* Which numbers were taken already: each is taken at most once, in nearly any order. */
#ifndef TLSHUB_WINDOW_H
#define TLSHUB_WINDOW_H

#include <linux/bitmap.h>
#include <linux/types.h>

#define TLSHUB_WINDOW_BITS 8192

struct tlshub_window {
	u64 next; /* the highest number taken, plus one */
	DECLARE_BITMAP(taken, TLSHUB_WINDOW_BITS);
};

enum tlshub_number {
	TLSHUB_NUMBER_NEW, /* it was not taken */
	TLSHUB_NUMBER_TAKEN,
	TLSHUB_NUMBER_OLD, /* so far behind that nobody knows */
};

static inline enum tlshub_number tlshub_window_look(const struct tlshub_window *window, u64 number)
{
	if (number >= window->next)
		return TLSHUB_NUMBER_NEW;
	if (window->next - number > TLSHUB_WINDOW_BITS)
		return TLSHUB_NUMBER_OLD;
	return test_bit(number % TLSHUB_WINDOW_BITS, window->taken) ? TLSHUB_NUMBER_TAKEN
								    : TLSHUB_NUMBER_NEW;
}

/* What it was until now. Numbers stay below U64_MAX. */
static inline enum tlshub_number tlshub_window_take(struct tlshub_window *window, u64 number)
{
	enum tlshub_number was = tlshub_window_look(window, number);

	if (was != TLSHUB_NUMBER_NEW)
		return was;
	if (number >= window->next) {
		if (number - window->next >= TLSHUB_WINDOW_BITS)
			bitmap_zero(window->taken, TLSHUB_WINDOW_BITS);
		else
			while (window->next < number)
				__clear_bit(window->next++ % TLSHUB_WINDOW_BITS, window->taken);
		window->next = number + 1;
	}
	__set_bit(number % TLSHUB_WINDOW_BITS, window->taken);
	return TLSHUB_NUMBER_NEW;
}

#endif /* TLSHUB_WINDOW_H */
