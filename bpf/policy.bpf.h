/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policy: what is to become of a connection, by its ends. src/policy/decide.ts says the same in user space, in the same order, and a test
 * compares the two on random rules and flows; docs/POLICY.md is the text of it.
 *
 * Everything that a decision depends on but the mapping lies in one of two banks, and settings.policy_bank says in which. User space fills
 * the other one and then writes that word: no decision is made by a mixture of old and new rules.
 */
#ifndef TLSHUB_POLICY_BPF_H
#define TLSHUB_POLICY_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_endian.h>

static __always_inline struct tlshub_settings *get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline void map_v4(__u8 out[16], __be32 addr)
{
	__builtin_memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	__builtin_memcpy(out + 12, &addr, 4);
}

/* Loopback never leaves the host: 127.0.0.0/8, ::1. */
static __always_inline bool is_loopback(const __u8 a[16])
{
	const __u32 *w = (const __u32 *)a;

	if (w[0] || w[1])
		return false;
	if (w[2] == bpf_htonl(0xffff))
		return a[12] == 127;
	return w[2] == 0 && w[3] == bpf_htonl(1);
}

static __always_inline struct tlshub_mesh_value *mesh_entry(const __u8 address[16])
{
	struct tlshub_mesh_key key = {.prefixlen = 128};

	__builtin_memcpy(key.addr, address, 16);
	return bpf_map_lookup_elem(&mesh, &key);
}

/* The rank of the best rule for one end: 0 if there is none. */
static __always_inline __u32 rule_rank(__u32 bank, __u16 port, const __u8 address[16])
{
	struct tlshub_rule_key key = {.prefixlen = TLSHUB_RULE_FIXED_BITS + 128, .bank = bank, .port = port};
	struct tlshub_rule_value *with, *without;
	__u32 rank = 0;

	__builtin_memcpy(key.addr, address, 16);
	with = bpf_map_lookup_elem(&rules, &key);
	if (with)
		rank = with->rank;
	key.port = 0;
	without = bpf_map_lookup_elem(&rules, &key);
	if (without && without->rank > rank)
		rank = without->rank;
	return rank;
}

/* `local` NULL: the kernel has not chosen it yet. `port`: the server's. Loopback has been dealt with. */
static __always_inline __u32 judge(const struct tlshub_policy_bank *p, __u32 bank, const __u8 remote[16],
				   const __u8 *local, __u16 port)
{
	struct tlshub_mesh_value *peer, *own;
	__u32 rank = 0, of_local;

	if (p->rules) {
		rank = rule_rank(bank, port, remote);
		if (local) {
			of_local = rule_rank(bank, port, local);
			if (of_local > rank)
				rank = of_local;
		}
	}
	if (rank && !(rank & TLSHUB_RANK_REQUIRE))
		return CLASS_PLAINTEXT;
	peer = mesh_entry(remote);
	if (peer) {
		if (!rank && p->same_node == SAME_NODE_PLAINTEXT && peer->local && local) {
			own = mesh_entry(local);
			if (own && own->local)
				return CLASS_PLAINTEXT;
		}
		return CLASS_MESH;
	}
	return !rank && p->policy == POLICY_PERMISSIVE ? CLASS_PLAINTEXT : CLASS_REFUSED;
}

/*
 * For a connect(), whose own address the kernel has yet to choose: what is REFUSED here is refused for good, anything else is decided when
 * the SYN leaves.
 */
static __noinline __u32 classify_connect(const struct tlshub_tuple *t)
{
	struct tlshub_settings *s = get_settings();
	struct tlshub_policy_bank *p;
	__u32 bank;

	if (!s || !t)
		return CLASS_REFUSED;
	if (is_loopback(t->remote) || is_loopback(t->local))
		return CLASS_PLAINTEXT;
	bank = s->policy_bank;
	p = bpf_map_lookup_elem(&policy, &bank);
	return p ? judge(p, bank, t->remote, NULL, t->rport) : CLASS_REFUSED;
}

/* The decision. Whose port counts depends on the role, and it is the server's either way, so that both ends decide alike. */
static __noinline __u32 classify(const struct tlshub_tuple *t, __u32 role)
{
	struct tlshub_settings *s = get_settings();
	struct tlshub_policy_bank *p;
	__u32 bank;

	if (!s || !t)
		return CLASS_REFUSED;
	if (is_loopback(t->remote) || is_loopback(t->local))
		return CLASS_PLAINTEXT;
	bank = s->policy_bank;
	p = bpf_map_lookup_elem(&policy, &bank);
	if (!p)
		return CLASS_REFUSED;
	if (role == ROLE_ACTIVE && judge(p, bank, t->remote, NULL, t->rport) == CLASS_REFUSED)
		return CLASS_REFUSED;
	return judge(p, bank, t->remote, t->local, role == ROLE_ACTIVE ? t->rport : t->lport);
}

/*
 * For packets and sockets of which it is not known who connected: in plaintext only if it were so in either role. A peer chooses its own
 * port, and must not make us take it for a server's.
 */
static __noinline __u32 classify_unknown(const struct tlshub_tuple *t)
{
	__u32 active = classify(t, ROLE_ACTIVE), passive = classify(t, ROLE_PASSIVE);

	if (active == CLASS_MESH || passive == CLASS_MESH)
		return CLASS_MESH;
	return active == CLASS_PLAINTEXT && passive == CLASS_PLAINTEXT ? CLASS_PLAINTEXT : CLASS_REFUSED;
}

#endif
