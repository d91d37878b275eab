// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose an address is: a hash table of prefixes, looked up once for each length that is in use.
 * Networks of pods have few lengths (a node's /24, single addresses), so that a trie would gain
 * nothing.
 */
#include "hub.h"

#include <linux/slab.h>
#include <net/ipv6.h>

static const struct rhashtable_params parameters = {
	.key_len = sizeof(struct tlshub_prefix),
	.key_offset = offsetof(struct tlshub_network, prefix),
	.head_offset = offsetof(struct tlshub_network, node),
	.automatic_shrinking = true,
};

int tlshub_networks_init(struct tlshub_networks *networks)
{
	return rhashtable_init(&networks->table, &parameters);
}

void tlshub_networks_exit(struct tlshub_networks *networks)
{
	rhashtable_destroy(&networks->table);
}

static void mask(struct tlshub_prefix *prefix, const u8 address[TLSHUB_ADDRESS_LEN], u32 length)
{
	struct in6_addr whole;

	memcpy(&whole, address, sizeof(whole));
	ipv6_addr_prefix(&prefix->address, &whole, length);
	prefix->length = length;
}

static void give_up(struct tlshub_networks *networks, struct tlshub_network *network)
{
	list_del(&network->list);
	rhashtable_remove_fast(&networks->table, &network->node, parameters);
	if (--networks->used[network->prefix.length] == 0)
		__clear_bit(network->prefix.length, networks->lengths);
	kfree(network);
}

int tlshub_network_add(struct tlshub_networks *networks, const struct tlshub_prefix *prefix,
		       struct tlshub_peer *peer, struct list_head *list)
{
	struct tlshub_network *network;
	struct tlshub_prefix masked;
	int error;

	mask(&masked, prefix->address.s6_addr, prefix->length);
	network = rhashtable_lookup_fast(&networks->table, &masked, parameters);
	if (network) {
		network->peer = peer;
		list_move_tail(&network->list, list);
		return 0;
	}
	network = kzalloc(sizeof(*network), GFP_KERNEL_ACCOUNT);
	if (!network)
		return -ENOMEM;
	network->prefix = masked;
	network->peer = peer;
	error = rhashtable_insert_fast(&networks->table, &network->node, parameters);
	if (error) {
		kfree(network);
		return error;
	}
	list_add_tail(&network->list, list);
	if (networks->used[masked.length]++ == 0)
		__set_bit(masked.length, networks->lengths);
	return 0;
}

void tlshub_networks_clear(struct tlshub_networks *networks, struct list_head *list)
{
	struct tlshub_network *network, *next;

	list_for_each_entry_safe (network, next, list, list)
		give_up(networks, network);
}

struct tlshub_network *tlshub_network_find(struct tlshub_networks *networks,
					   const u8 address[TLSHUB_ADDRESS_LEN])
{
	unsigned long length = find_last_bit(networks->lengths, 129);

	while (length < 129) {
		struct tlshub_network *network;
		struct tlshub_prefix prefix;

		mask(&prefix, address, length);
		network = rhashtable_lookup_fast(&networks->table, &prefix, parameters);
		if (network || length == 0)
			return network;
		/* find_last_bit() says its limit when there is none. */
		prefix.length = length;
		length = find_last_bit(networks->lengths, prefix.length);
		if (length == prefix.length)
			break;
	}
	return NULL;
}

const char *tlshub_address_text(const u8 address[TLSHUB_ADDRESS_LEN],
				char text[TLSHUB_ADDRESS_TEXT])
{
	struct in6_addr whole;

	memcpy(&whole, address, sizeof(whole));
	if (ipv6_addr_v4mapped(&whole))
		snprintf(text, TLSHUB_ADDRESS_TEXT, "%pI4", &whole.s6_addr32[3]);
	else
		snprintf(text, TLSHUB_ADDRESS_TEXT, "%pI6c", &whole);
	return text;
}
