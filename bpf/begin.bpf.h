/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TLSHUB_BEGIN_BPF_H
#define TLSHUB_BEGIN_BPF_H

#include "flow.bpf.h"

/* The id of the cgroup that a socket was made in; of an accepted one, its listener. */
static __always_inline __u64 cgroup_of(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

/* Starts a flow over: nothing that an earlier connection of this socket was granted is left. */
static __noinline void begin(struct tlshub_flow *f, __u64 cookie, __u64 cgroup, __u32 role, __u32 class)
{
	__u32 generation = f->generation + 1, sleeps = f->sleeps;

	__builtin_memset(f, 0, offsetof(struct tlshub_flow, passed));
	f->generation = generation;
	__sync_fetch_and_add(&f->sleeps, sleeps); /* who slept on the connection before may sleep still */
	f->cookie = cookie;
	f->cgroup = cgroup;
	f->role = role;
	f->flow_class = class;
	f->created_ns = bpf_ktime_get_ns();
	if (class == CLASS_REFUSED)
		f->refused = REASON_NOT_MESH;
}

#endif
