/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests that run when a module built with DEBUG=1 is loaded: it does not load if one fails. */
#ifndef TLSHUB_SELFTEST_H
#define TLSHUB_SELFTEST_H

#include <linux/types.h>

#ifdef TLSHUB_SELFTEST
bool tlshub_selftest(void);
bool tlshub_selftest_crypto(void);
bool tlshub_selftest_noise(void);
bool tlshub_selftest_window(void);
bool tlshub_selftest_networks(void);
bool tlshub_selftest_cookies(void);
#else
static inline bool tlshub_selftest(void)
{
	return true;
}
#endif

#endif /* TLSHUB_SELFTEST_H */
