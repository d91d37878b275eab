/* SPDX-License-Identifier: GPL-2.0-only */
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

/*
 * A function that the kernel verifies once for each program, and not again for each call and for each state that it is called in: what it is given
 * are numbers and memory, and what it returns is a number. The time that the verifier takes is the time in which a starting agent's node
 * is without a gate. Weak, since each program file has a copy; they are never NULL, but the verifier wants to see that it is asked.
 */
#define VERIFIED_ONCE __weak __noinline

static __always_inline struct tlshub_settings *get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

/* By words: a compiler that knows nothing of its place writes an address byte by byte. Wherever they lie, they lie at a multiple of four. */
static __always_inline void copy_address(__u8 to[16], const __u8 from[16])
{
	__builtin_memcpy(__builtin_assume_aligned(to, 4), __builtin_assume_aligned(from, 4), 16);
}

static __always_inline void map_v4(__u8 out[16], __be32 addr)
{
	__u32 *w = __builtin_assume_aligned(out, 4);

	w[0] = w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = addr;
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

static __noinline struct tlshub_mesh_value *mesh_entry(const __u8 address[16])
{
	struct tlshub_mesh_key key = {.prefixlen = 128};

	copy_address(key.addr, address);
	return bpf_map_lookup_elem(&mesh, &key);
}

/* The rank of the rule with the longest prefix: 0 if there is none. */
static __noinline __u32 rule_rank(__u32 bank, __u16 port, const __u8 address[16])
{
	struct tlshub_rule_key key = {.prefixlen = TLSHUB_RULE_FIXED_BITS + 128, .bank = bank, .port = port};
	struct tlshub_rule_value *found;

	copy_address(key.addr, address);
	found = bpf_map_lookup_elem(&rules, &key);
	return found ? found->rank : 0;
}

static __always_inline __u32 higher(__u32 a, __u32 b)
{
	return a > b ? a : b;
}

/*
 * A rule with a port is about the server's address, one without about either end's. @has_local: the kernel has chosen our own address.
 * Loopback has been dealt with.
 */
VERIFIED_ONCE __u32 judge(const struct tlshub_policy_bank *p, __u32 bank, const struct tlshub_tuple *t,
			  int has_local, __u32 role)
{
	struct tlshub_mesh_value *peer, *own;
	__u32 rank = 0;

	if (!p || !t)
		return CLASS_REFUSED;
	if (p->rules) {
		if (role == ROLE_ACTIVE)
			rank = rule_rank(bank, t->rport, t->remote);
		else
			rank = rule_rank(bank, t->lport, t->local);
		rank = higher(rank, rule_rank(bank, 0, t->remote));
		if (has_local)
			rank = higher(rank, rule_rank(bank, 0, t->local));
	}
	if (rank && !(rank & RANK_REQUIRE))
		return CLASS_PLAINTEXT;
	peer = mesh_entry(t->remote);
	if (peer) {
		if (!rank && p->same_node == SAME_NODE_PLAINTEXT && peer->local && has_local) {
			own = mesh_entry(t->local);
			if (own && own->local)
				return CLASS_PLAINTEXT;
		}
		return CLASS_MESH;
	}
	return !rank && p->policy == POLICY_PERMISSIVE ? CLASS_PLAINTEXT : CLASS_REFUSED;
}

/* The rules in force; or NULL, and then `class` is the answer. */
static __always_inline struct tlshub_policy_bank *rules_for(const struct tlshub_tuple *t, __u32 *bank,
							    __u32 *class)
{
	struct tlshub_settings *s = get_settings();

	*class = CLASS_REFUSED;
	if (!s || !t)
		return NULL;
	if (is_loopback(t->remote) || is_loopback(t->local)) {
		*class = CLASS_PLAINTEXT;
		return NULL;
	}
	*bank = s->policy_bank;
	return bpf_map_lookup_elem(&policy, bank);
}

/*
 * For a connect(), whose own address the kernel has yet to choose: what is REFUSED here is refused for good, anything else is decided when
 * the SYN leaves.
 */
VERIFIED_ONCE __u32 classify_connect(const struct tlshub_tuple *t)
{
	__u32 bank, class;
	struct tlshub_policy_bank *p = rules_for(t, &bank, &class);

	return p ? judge(p, bank, t, false, ROLE_ACTIVE) : class;
}

/* The decision. Which end is the server depends on the role, and it is the same one seen from either end. */
VERIFIED_ONCE __u32 classify(const struct tlshub_tuple *t, __u32 role)
{
	__u32 bank, class;
	struct tlshub_policy_bank *p = rules_for(t, &bank, &class);

	if (!p)
		return class;
	if (role == ROLE_ACTIVE && judge(p, bank, t, false, role) == CLASS_REFUSED)
		return CLASS_REFUSED;
	return judge(p, bank, t, true, role);
}

/*
 * For packets and sockets of which it is not known who connected: in plaintext only if it were so in either role. A peer chooses its own
 * port, and must not make us take it for a server's.
 */
VERIFIED_ONCE __u32 classify_unknown(const struct tlshub_tuple *t)
{
	__u32 active = classify(t, ROLE_ACTIVE), passive = classify(t, ROLE_PASSIVE);

	if (active == CLASS_MESH || passive == CLASS_MESH)
		return CLASS_MESH;
	return active == CLASS_PLAINTEXT && passive == CLASS_PLAINTEXT ? CLASS_PLAINTEXT : CLASS_REFUSED;
}

#endif
