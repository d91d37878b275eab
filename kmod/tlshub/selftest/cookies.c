// SPDX-License-Identifier: GPL-2.0-only
#include "selftest.h"

#include <linux/random.h>
#include <linux/slab.h>

#include "hub.h"

static bool run(struct tlshub_cookies *cookies, struct tlshub_cookie *cookie)
{
	struct tlshub_endpoint here = {.port = htons(1)}, there = {.port = htons(2)};
	struct tlshub_cookie_message answer;
	struct tlshub_first message;
	u8 public[CURVE25519_KEY_SIZE];
	int i, passed = 0;

	get_random_bytes(public, sizeof(public));
	get_random_bytes(&message, sizeof(message));
	tlshub_cookies_set_identity(cookies, public);

	if (tlshub_cookies_check(cookies, &message, sizeof(message), &here, false) !=
	    TLSHUB_DROP_MAC)
		return false;
	tlshub_cookie_sign(cookie, public, &message, sizeof(message));
	if (tlshub_cookies_check(cookies, &message, sizeof(message), &here, false) != TLSHUB_PASS ||
	    tlshub_cookies_check(cookies, &message, sizeof(message), &here, true) !=
		    TLSHUB_DROP_COOKIE)
		return false;
	tlshub_cookies_answer(cookies, &message, sizeof(message), &here, 0, &answer);
	/* Damaged, to another message, and a second time it is nothing. */
	answer.cookie[0] ^= 1;
	if (tlshub_cookie_take(cookie, public, &answer))
		return false;
	answer.cookie[0] ^= 1;
	cookie->last_mac1[0] ^= 1;
	if (tlshub_cookie_take(cookie, public, &answer))
		return false;
	cookie->last_mac1[0] ^= 1;
	if (!tlshub_cookie_take(cookie, public, &answer) ||
	    tlshub_cookie_take(cookie, public, &answer))
		return false;
	tlshub_cookie_sign(cookie, public, &message, sizeof(message));
	/* It is one address's, and its rate is limited. */
	if (tlshub_cookies_check(cookies, &message, sizeof(message), &there, true) !=
	    TLSHUB_DROP_COOKIE)
		return false;
	for (i = 0; i < 50; i++)
		passed += tlshub_cookies_check(cookies, &message, sizeof(message), &here, true) ==
			  TLSHUB_PASS;
	return passed >= 5 && passed < 50;
}

bool tlshub_selftest_cookies(void)
{
	struct tlshub_cookies *cookies = kzalloc(sizeof(*cookies), GFP_KERNEL);
	struct tlshub_cookie *cookie = kzalloc(sizeof(*cookie), GFP_KERNEL);
	bool good = cookies && cookie && run(cookies, cookie);

	if (cookies)
		tlshub_cookies_exit(cookies);
	kfree(cookies);
	kfree_sensitive(cookie);
	return good;
}
