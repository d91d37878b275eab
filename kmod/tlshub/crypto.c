// SPDX-License-Identifier: GPL-2.0-only
/* HMAC (RFC 2104) and Noise's HKDF over the kernel's BLAKE2s. */
#include "crypto.h"

#include <linux/bug.h>
#include <linux/string.h>

void tlshub_hmac_init(struct tlshub_hmac *hmac, const void *key, size_t key_len)
{
	u8 pad[BLAKE2S_BLOCK_SIZE] = {};
	int i;

	if (WARN_ON_ONCE(key_len > sizeof(pad)))
		key_len = sizeof(pad);
	memcpy(pad, key, key_len);
	for (i = 0; i < sizeof(pad); i++) {
		hmac->outer_pad[i] = pad[i] ^ 0x5c;
		pad[i] ^= 0x36;
	}
	blake2s_init(&hmac->inner, TLSHUB_HASH_LEN);
	blake2s_update(&hmac->inner, pad, sizeof(pad));
	memzero_explicit(pad, sizeof(pad));
}

void tlshub_hmac_update(struct tlshub_hmac *hmac, const void *data, size_t len)
{
	blake2s_update(&hmac->inner, data, len);
}

void tlshub_hmac_final(struct tlshub_hmac *hmac, u8 out[TLSHUB_HASH_LEN])
{
	u8 digest[TLSHUB_HASH_LEN];

	blake2s_final(&hmac->inner, digest);
	blake2s_init(&hmac->inner, TLSHUB_HASH_LEN);
	blake2s_update(&hmac->inner, hmac->outer_pad, sizeof(hmac->outer_pad));
	blake2s_update(&hmac->inner, digest, sizeof(digest));
	blake2s_final(&hmac->inner, out);
	memzero_explicit(digest, sizeof(digest));
	memzero_explicit(hmac, sizeof(*hmac));
}

void tlshub_hash(u8 out[TLSHUB_HASH_LEN], const void *a, size_t a_len, const void *b, size_t b_len)
{
	struct tlshub_blake2s state;

	blake2s_init(&state, TLSHUB_HASH_LEN);
	blake2s_update(&state, a, a_len);
	blake2s_update(&state, b, b_len);
	blake2s_final(&state, out);
}

void tlshub_hkdf(u8 out1[TLSHUB_HASH_LEN], u8 out2[TLSHUB_HASH_LEN], u8 out3[TLSHUB_HASH_LEN],
		 const u8 chaining[TLSHUB_HASH_LEN], const void *input, size_t len)
{
	u8 *const outs[] = {out1, out2, out3};
	u8 secret[TLSHUB_HASH_LEN], last[TLSHUB_HASH_LEN];
	struct tlshub_hmac hmac;
	u8 number;

	tlshub_hmac_init(&hmac, chaining, TLSHUB_HASH_LEN);
	tlshub_hmac_update(&hmac, input, len);
	tlshub_hmac_final(&hmac, secret);
	for (number = 1; number <= ARRAY_SIZE(outs) && outs[number - 1]; number++) {
		tlshub_hmac_init(&hmac, secret, sizeof(secret));
		if (number > 1)
			tlshub_hmac_update(&hmac, last, sizeof(last));
		tlshub_hmac_update(&hmac, &number, 1);
		tlshub_hmac_final(&hmac, last);
		memcpy(outs[number - 1], last, sizeof(last));
	}
	memzero_explicit(secret, sizeof(secret));
	memzero_explicit(last, sizeof(last));
}
