// SPDX-License-Identifier: GPL-2.0-only
/*
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (the Noise Protocol Framework, revision 34):
 *
 *	<- s
 *	...
 *	-> e, es, s, ss	(payload: a timestamp)
 *	<- e, ee, se, psk	(payload: an instance)
 *
 * Pure functions over a state: no locks, no peers, no network.
 */
#include "noise.h"

#include <linux/string.h>

static const char name[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char flow_label[] = "tlshub flow secrets v1";

static void mix_hash(struct tlshub_noise *noise, const void *data, size_t len)
{
	tlshub_hash(noise->hash, noise->hash, sizeof(noise->hash), data, len);
}

static void mix_key(struct tlshub_noise *noise, const u8 input[CURVE25519_KEY_SIZE])
{
	tlshub_hkdf(noise->chaining, noise->key, NULL, noise->chaining, input, CURVE25519_KEY_SIZE);
}

/* False for points of small order, which would give a secret that everybody knows. */
static bool mix_dh(struct tlshub_noise *noise, const u8 private[CURVE25519_KEY_SIZE],
		   const u8 public[CURVE25519_KEY_SIZE])
{
	u8 shared[CURVE25519_KEY_SIZE];
	bool good = curve25519(shared, private, public);

	if (good)
		mix_key(noise, shared);
	memzero_explicit(shared, sizeof(shared));
	return good;
}

/* A pre-shared key in the pattern makes every "e" be mixed into the key, too (9.2). */
static void mix_ephemeral(struct tlshub_noise *noise, const u8 public[CURVE25519_KEY_SIZE])
{
	mix_hash(noise, public, CURVE25519_KEY_SIZE);
	mix_key(noise, public);
}

static void mix_preshared(struct tlshub_noise *noise, const u8 preshared[TLSHUB_KEY_LEN])
{
	u8 hash[TLSHUB_HASH_LEN];

	tlshub_hkdf(noise->chaining, hash, noise->key, noise->chaining, preshared, TLSHUB_KEY_LEN);
	mix_hash(noise, hash, sizeof(hash));
	memzero_explicit(hash, sizeof(hash));
}

static void encrypt_and_hash(struct tlshub_noise *noise, u8 *out, const u8 *plain, size_t len)
{
	chacha20poly1305_encrypt(out, plain, len, noise->hash, sizeof(noise->hash), 0, noise->key);
	mix_hash(noise, out, len + TLSHUB_TAG_LEN);
}

static bool decrypt_and_hash(struct tlshub_noise *noise, u8 *out, const u8 *sealed, size_t len)
{
	if (!chacha20poly1305_decrypt(out, sealed, len + TLSHUB_TAG_LEN, noise->hash,
				      sizeof(noise->hash), 0, noise->key))
		return false;
	mix_hash(noise, sealed, len + TLSHUB_TAG_LEN);
	return true;
}

static bool write_ephemeral(struct tlshub_noise *noise, u8 public[CURVE25519_KEY_SIZE])
{
	curve25519_generate_secret(noise->ephemeral);
	if (!curve25519_generate_public(public, noise->ephemeral))
		return false;
	mix_ephemeral(noise, public);
	return true;
}

static void begin(struct tlshub_noise *noise, const u8 responder[CURVE25519_KEY_SIZE])
{
	tlshub_hash(noise->hash, name, sizeof(name) - 1, NULL, 0);
	memcpy(noise->chaining, noise->hash, sizeof(noise->chaining));
	mix_hash(noise, TLSHUB_PROLOGUE, sizeof(TLSHUB_PROLOGUE) - 1);
	mix_hash(noise, responder, CURVE25519_KEY_SIZE);
}

bool tlshub_noise_write_first(struct tlshub_noise *noise, const struct tlshub_identity *own,
			      const u8 remote[CURVE25519_KEY_SIZE],
			      const u8 timestamp[TLSHUB_TIMESTAMP_LEN],
			      struct tlshub_first *message)
{
	begin(noise, remote);
	if (!write_ephemeral(noise, message->ephemeral) || !mix_dh(noise, noise->ephemeral, remote))
		return false;
	encrypt_and_hash(noise, message->statik, own->public, sizeof(own->public));
	if (!mix_dh(noise, own->private, remote))
		return false;
	encrypt_and_hash(noise, message->timestamp, timestamp, TLSHUB_TIMESTAMP_LEN);
	return true;
}

bool tlshub_noise_read_first(struct tlshub_noise *noise, const struct tlshub_identity *own,
			     const struct tlshub_first *message, u8 remote[CURVE25519_KEY_SIZE])
{
	begin(noise, own->public);
	memcpy(noise->remote_ephemeral, message->ephemeral, sizeof(noise->remote_ephemeral));
	mix_ephemeral(noise, message->ephemeral);
	return mix_dh(noise, own->private, message->ephemeral) &&
	       decrypt_and_hash(noise, remote, message->statik, CURVE25519_KEY_SIZE);
}

bool tlshub_noise_read_timestamp(struct tlshub_noise *noise, const struct tlshub_identity *own,
				 const struct tlshub_first *message,
				 const u8 remote[CURVE25519_KEY_SIZE],
				 u8 timestamp[TLSHUB_TIMESTAMP_LEN])
{
	return mix_dh(noise, own->private, remote) &&
	       decrypt_and_hash(noise, timestamp, message->timestamp, TLSHUB_TIMESTAMP_LEN);
}

bool tlshub_noise_write_second(struct tlshub_noise *noise, const u8 remote[CURVE25519_KEY_SIZE],
			       const u8 preshared[TLSHUB_KEY_LEN],
			       const u8 instance[TLSHUB_INSTANCE_LEN],
			       struct tlshub_second *message)
{
	if (!write_ephemeral(noise, message->ephemeral) ||
	    !mix_dh(noise, noise->ephemeral, noise->remote_ephemeral) ||
	    !mix_dh(noise, noise->ephemeral, remote))
		return false;
	mix_preshared(noise, preshared);
	encrypt_and_hash(noise, message->instance, instance, TLSHUB_INSTANCE_LEN);
	return true;
}

bool tlshub_noise_read_second(struct tlshub_noise *noise, const struct tlshub_identity *own,
			      const u8 preshared[TLSHUB_KEY_LEN],
			      const struct tlshub_second *message, u8 instance[TLSHUB_INSTANCE_LEN])
{
	mix_ephemeral(noise, message->ephemeral);
	if (!mix_dh(noise, noise->ephemeral, message->ephemeral) ||
	    !mix_dh(noise, own->private, message->ephemeral))
		return false;
	mix_preshared(noise, preshared);
	return decrypt_and_hash(noise, instance, message->instance, TLSHUB_INSTANCE_LEN);
}

void tlshub_noise_split(struct tlshub_noise *noise, bool initiator, struct tlshub_keys *keys)
{
	u8 *first = initiator ? keys->send : keys->receive,
	   *second = initiator ? keys->receive : keys->send;
	u8 *first_flow = initiator ? keys->send_flow : keys->receive_flow,
	   *second_flow = initiator ? keys->receive_flow : keys->send_flow;

	tlshub_hkdf(first, second, NULL, noise->chaining, NULL, 0);
	tlshub_hkdf(first_flow, second_flow, NULL, noise->chaining, flow_label,
		    sizeof(flow_label) - 1);
	memzero_explicit(noise, sizeof(*noise));
}
