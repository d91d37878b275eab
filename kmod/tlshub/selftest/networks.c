// SPDX-License-Identifier: GPL-2.0-only
#include "selftest.h"

#include <linux/slab.h>
#include <net/ipv6.h>

#include "hub.h"

static void prefix4(struct tlshub_prefix *prefix, u32 address, u32 length)
{
	ipv6_addr_set_v4mapped(htonl(address), &prefix->address);
	prefix->length = 96 + length;
}

static const struct tlshub_peer *owner4(struct tlshub_networks *networks, u32 address)
{
	struct tlshub_prefix whole;
	struct tlshub_network *network;

	prefix4(&whole, address, 32);
	network = tlshub_network_find(networks, whole.address.s6_addr);
	return network ? network->peer : ERR_PTR(-ENOENT);
}

static bool run(struct tlshub_networks *networks, struct tlshub_peer *one,
		struct tlshub_peer *other, struct list_head *lists)
{
	struct tlshub_prefix prefix;

	if (owner4(networks, 0x0a000001) != ERR_PTR(-ENOENT))
		return false;
	prefix4(&prefix, 0x0a000000, 8);
	if (tlshub_network_add(networks, &prefix, one, &lists[0]))
		return false;
	/* The bits after the prefix do not matter. */
	prefix4(&prefix, 0x0a0102ff, 24);
	if (tlshub_network_add(networks, &prefix, other, &lists[1]))
		return false;
	prefix4(&prefix, 0x0a010203, 32);
	if (tlshub_network_add(networks, &prefix, NULL, &lists[2]))
		return false;
	if (owner4(networks, 0x0a000001) != one || owner4(networks, 0x0a010201) != other ||
	    owner4(networks, 0x0a010203) || owner4(networks, 0x0b000001) != ERR_PTR(-ENOENT))
		return false;
	/* It changes hands. */
	prefix4(&prefix, 0x0a010200, 24);
	if (tlshub_network_add(networks, &prefix, one, &lists[0]) ||
	    owner4(networks, 0x0a010201) != one || !list_empty(&lists[1]))
		return false;
	/* ::/0 is not IPv4's 0.0.0.0/0, but has it, too. */
	memset(&prefix, 0, sizeof(prefix));
	if (tlshub_network_add(networks, &prefix, other, &lists[1]) ||
	    owner4(networks, 0x0b000001) != other || owner4(networks, 0x0a000001) != one)
		return false;
	tlshub_networks_clear(networks, &lists[0]);
	return owner4(networks, 0x0a000001) == other && !owner4(networks, 0x0a010203) &&
	       list_empty(&lists[0]);
}

bool tlshub_selftest_networks(void)
{
	struct tlshub_networks *networks = kzalloc(sizeof(*networks), GFP_KERNEL);
	struct tlshub_peer *peers = kcalloc(2, sizeof(*peers), GFP_KERNEL);
	struct list_head lists[3];
	bool good = false;
	int i;

	if (!networks || !peers || tlshub_networks_init(networks))
		goto out;
	for (i = 0; i < 3; i++)
		INIT_LIST_HEAD(&lists[i]);
	good = run(networks, &peers[0], &peers[1], lists);
	for (i = 0; i < 3; i++)
		tlshub_networks_clear(networks, &lists[i]);
	good = good && bitmap_empty(networks->lengths, 129);
	tlshub_networks_exit(networks);
out:
	kfree(peers);
	kfree(networks);
	return good;
}
