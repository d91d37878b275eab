// SPDX-License-Identifier: GPL-2.0-only
/*
 * First and second messages cost public-key arithmetic, and anybody can send some. So each carries
 *
 *	mac1 = HMAC(HASH("tlshub mac1" || receiver's public key), message up to mac1)
 *	mac2 = HMAC(cookie, message up to mac2)
 *
 * The first shows that the sender knows who we are, the second that it was told the cookie at its
 * address. That one is asked for only under load, by a message with the cookie: an HMAC of the
 * address under a secret that changes every two minutes, sealed with a key of our public key and
 * bound to the mac1 of the message it answers. Those who have one are held to a rate by address. All
 * of this keeps no state for who sends, but a fixed table.
 */
#include "hub.h"

#include <linux/random.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#define COOKIE_NS (120 * TLSHUB_SECOND_NS)
/*
 * For each address (IPv6: each /64): so many a second, and as many at once as fit into a quarter of
 * one.
 */
#define RATE_NS (TLSHUB_SECOND_NS / 20)
#define BURST_NS (TLSHUB_SECOND_NS / 4)
#define BUCKETS 4096

static const char mac1_label[] = "tlshub mac1", seal_label[] = "tlshub cookie";

static void mac(u8 out[TLSHUB_MAC_LEN], const u8 *key, size_t key_len, const void *data, size_t len)
{
	u8 whole[TLSHUB_HASH_LEN];
	struct tlshub_hmac hmac;

	tlshub_hmac_init(&hmac, key, key_len);
	tlshub_hmac_update(&hmac, data, len);
	tlshub_hmac_final(&hmac, whole);
	memcpy(out, whole, TLSHUB_MAC_LEN);
	memzero_explicit(whole, sizeof(whole));
}

static void key_of(u8 out[TLSHUB_HASH_LEN], const char *label, const u8 public[CURVE25519_KEY_SIZE])
{
	tlshub_hash(out, label, strlen(label), public, CURVE25519_KEY_SIZE);
}

static struct tlshub_macs *macs_of(void *message, size_t len)
{
	return message + len - sizeof(struct tlshub_macs);
}

void tlshub_cookies_set_identity(struct tlshub_cookies *cookies,
				 const u8 public[CURVE25519_KEY_SIZE])
{
	key_of(cookies->mac1_key, mac1_label, public);
	key_of(cookies->seal_key, seal_label, public);
	cookies->secret_until = 0;
	if (!cookies->buckets)
		get_random_bytes(&cookies->hash_key, sizeof(cookies->hash_key));
}

void tlshub_cookies_exit(struct tlshub_cookies *cookies)
{
	kvfree(cookies->buckets);
	memzero_explicit(cookies, sizeof(*cookies));
}

static void make_cookie(struct tlshub_cookies *cookies, const struct tlshub_endpoint *from,
			u8 cookie[TLSHUB_MAC_LEN])
{
	u8 address[sizeof(from->address) + sizeof(from->port)];
	u64 now = tlshub_now();

	if (now >= cookies->secret_until) {
		get_random_bytes(cookies->secret, sizeof(cookies->secret));
		cookies->secret_until = now + COOKIE_NS;
	}
	memcpy(address, &from->address, sizeof(from->address));
	memcpy(address + sizeof(from->address), &from->port, sizeof(from->port));
	mac(cookie, cookies->secret, sizeof(cookies->secret), address, sizeof(address));
}

/*
 * Some addresses share a bucket. Who shares one with a flood has to wait for its end to make a new
 * session; the one that it has goes on.
 */
static bool within_rate(struct tlshub_cookies *cookies, const struct tlshub_endpoint *from)
{
	u64 now = tlshub_now(), *until;
	size_t len = ipv6_addr_v4mapped(&from->address) ? 16 : 8;

	if (!cookies->buckets) {
		cookies->buckets = kvcalloc(BUCKETS, sizeof(*cookies->buckets), GFP_KERNEL);
		if (!cookies->buckets)
			return false;
	}
	until = &cookies->buckets[siphash(&from->address, len, &cookies->hash_key) % BUCKETS];
	if (*until < now)
		*until = now;
	if (*until - now > BURST_NS)
		return false;
	*until += RATE_NS;
	return true;
}

enum tlshub_verdict tlshub_cookies_check(struct tlshub_cookies *cookies, const void *message,
					 size_t len, const struct tlshub_endpoint *from,
					 bool loaded)
{
	const struct tlshub_macs *macs = macs_of((void *)message, len);
	size_t before = len - sizeof(*macs);
	u8 expected[TLSHUB_MAC_LEN], cookie[TLSHUB_MAC_LEN];
	bool has_cookie;

	mac(expected, cookies->mac1_key, sizeof(cookies->mac1_key), message, before);
	if (crypto_memneq(expected, macs->mac1, sizeof(expected)))
		return TLSHUB_DROP_MAC;
	if (!loaded)
		return TLSHUB_PASS;
	make_cookie(cookies, from, cookie);
	mac(expected, cookie, sizeof(cookie), message, before + sizeof(macs->mac1));
	has_cookie = !crypto_memneq(expected, macs->mac2, sizeof(expected));
	memzero_explicit(cookie, sizeof(cookie));
	if (!has_cookie)
		return TLSHUB_DROP_COOKIE;
	return within_rate(cookies, from) ? TLSHUB_PASS : TLSHUB_DROP_RATE;
}

static void seal_key(u8 key[TLSHUB_HASH_LEN], const u8 base[TLSHUB_HASH_LEN], const u8 salt[16])
{
	struct tlshub_hmac hmac;

	tlshub_hmac_init(&hmac, base, TLSHUB_HASH_LEN);
	tlshub_hmac_update(&hmac, salt, 16);
	tlshub_hmac_final(&hmac, key);
}

void tlshub_cookies_answer(struct tlshub_cookies *cookies, const void *message, size_t len,
			   const struct tlshub_endpoint *to, __le32 receiver,
			   struct tlshub_cookie_message *answer)
{
	const struct tlshub_macs *macs = macs_of((void *)message, len);
	u8 cookie[TLSHUB_MAC_LEN], key[TLSHUB_HASH_LEN];

	answer->head = (struct tlshub_head){.type = TLSHUB_COOKIE, .version = TLSHUB_WIRE_VERSION};
	answer->receiver = receiver;
	get_random_bytes(answer->salt, sizeof(answer->salt));
	make_cookie(cookies, to, cookie);
	seal_key(key, cookies->seal_key, answer->salt);
	chacha20poly1305_encrypt(answer->cookie, cookie, sizeof(cookie), macs->mac1,
				 sizeof(macs->mac1), 0, key);
	memzero_explicit(cookie, sizeof(cookie));
	memzero_explicit(key, sizeof(key));
}

void tlshub_cookie_sign(struct tlshub_cookie *cookie, const u8 remote[CURVE25519_KEY_SIZE],
			void *message, size_t len)
{
	struct tlshub_macs *macs = macs_of(message, len);
	size_t before = len - sizeof(*macs);
	u8 key[TLSHUB_HASH_LEN];

	key_of(key, mac1_label, remote);
	mac(macs->mac1, key, sizeof(key), message, before);
	memcpy(cookie->last_mac1, macs->mac1, sizeof(cookie->last_mac1));
	cookie->sent = true;
	if (cookie->until > tlshub_now())
		mac(macs->mac2, cookie->cookie, sizeof(cookie->cookie), message,
		    before + sizeof(macs->mac1));
	else
		memset(macs->mac2, 0, sizeof(macs->mac2));
}

bool tlshub_cookie_take(struct tlshub_cookie *cookie, const u8 remote[CURVE25519_KEY_SIZE],
			const struct tlshub_cookie_message *message)
{
	u8 base[TLSHUB_HASH_LEN], key[TLSHUB_HASH_LEN], opened[TLSHUB_MAC_LEN];
	bool good;

	if (!cookie->sent)
		return false;
	key_of(base, seal_label, remote);
	seal_key(key, base, message->salt);
	good = chacha20poly1305_decrypt(opened, message->cookie, sizeof(message->cookie),
					cookie->last_mac1, sizeof(cookie->last_mac1), 0, key);
	if (good) {
		memcpy(cookie->cookie, opened, sizeof(cookie->cookie));
		/* Some seconds less than it is taken there: it has been on its way. */
		cookie->until = tlshub_now() + COOKIE_NS - 5 * TLSHUB_SECOND_NS;
		/* One answer to each message. */
		cookie->sent = false;
	}
	memzero_explicit(key, sizeof(key));
	memzero_explicit(opened, sizeof(opened));
	return good;
}
