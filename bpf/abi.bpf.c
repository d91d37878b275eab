// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing of this runs. A compiler writes into an object's BTF what its functions' parameters are made of, and no more; so this function, which
 * nobody calls and no kernel is given, names all that tlshub.h and channel.h have for user space.
 */
#include "channel.h"
#include "maps.bpf.h"

struct told_to_user_space {
	enum tlshub_limit limit;
	enum tlshub_tcp_state tcp_state;
	enum tlshub_record_type record_type;
	enum tlshub_role role;
	enum tlshub_class class;
	enum tlshub_policy policy;
	enum tlshub_intent intent;
	enum tlshub_same_node same_node;
	enum tlshub_reason reason;
	enum tlshub_verdict_flag verdict_flag;
	enum tlshub_rank rank;
	enum tlshub_counter counter;
	enum tlshub_event_kind event_kind;
	enum tlshub_hold hold;
	enum tlshub_traffic_flag traffic_flag;
	enum tlshub_provider provider;
	enum tlshub_suite suite;
	enum tlshub_protocol protocol;
	enum tlshub_channel_limit channel_limit;
	enum tlshub_channel_what channel_what;
	struct tlshub_secured_sweep secured_sweep; /* made of all that go as records */
};

__attribute__((used)) static int told(struct told_to_user_space *all)
{
	return all != NULL;
}

char _license[] SEC("license") = "GPL";
