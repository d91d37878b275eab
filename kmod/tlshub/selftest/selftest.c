// SPDX-License-Identifier: GPL-2.0-only
#include "selftest.h"

#include <linux/kernel.h>

#define RUN(name)                                                                                  \
	do {                                                                                       \
		if (!tlshub_selftest_##name()) {                                                   \
			pr_err("tlshub: self-test of " #name ": failed\n");                        \
			return false;                                                              \
		}                                                                                  \
	} while (0)

bool tlshub_selftest(void)
{
	RUN(crypto);
	RUN(noise);
	RUN(window);
	RUN(networks);
	RUN(cookies);
	pr_info("tlshub: self-tests passed\n");
	return true;
}
