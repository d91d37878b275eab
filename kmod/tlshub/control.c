// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family "tlshub" (tlshub.yaml): what a node is, its peers and keys, and what
 * happens.
 */
#include "hub.h"

#include <net/genetlink.h>
#include <net/ipv6.h>
#include <net/netns/generic.h>

static struct genl_family family;

static const struct nla_policy network_policy[TLSHUB_A_NETWORK_MAX + 1] = {
	[TLSHUB_A_NETWORK_ADDRESS] = {.type = NLA_BINARY, .len = TLSHUB_ADDRESS_LEN},
	[TLSHUB_A_NETWORK_PREFIX] = NLA_POLICY_MAX(NLA_U8, 128),
};

static struct netlink_range_validation lifetime_range = {.min = 100, .max = 600000};
static struct netlink_range_validation start_range = {.min = 100, .max = 60000};

static const struct nla_policy node_policy[TLSHUB_A_NODE_MAX + 1] = {
	[TLSHUB_A_NODE_PRIVATE_KEY] = NLA_POLICY_EXACT_LEN(TLSHUB_KEY_LEN),
	[TLSHUB_A_NODE_LISTEN_PORT] = {.type = NLA_U16},
	[TLSHUB_A_NODE_FLAGS] = NLA_POLICY_MASK(NLA_U32, TLSHUB_SET_REPLACE_NETWORKS),
	[TLSHUB_A_NODE_NETWORK] = NLA_POLICY_NESTED(network_policy),
	[TLSHUB_A_NODE_LIFETIME_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &lifetime_range),
	[TLSHUB_A_NODE_START_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &start_range),
};

static const struct nla_policy peer_policy[TLSHUB_A_PEER_MAX + 1] = {
	[TLSHUB_A_PEER_NAME] = {.type = NLA_NUL_STRING, .len = TLSHUB_NAME_LEN},
	[TLSHUB_A_PEER_PUBLIC_KEY] = NLA_POLICY_EXACT_LEN(TLSHUB_KEY_LEN),
	[TLSHUB_A_PEER_PRESHARED_KEY] = NLA_POLICY_EXACT_LEN(TLSHUB_KEY_LEN),
	[TLSHUB_A_PEER_ENDPOINT] = NLA_POLICY_MIN_LEN(sizeof(struct sockaddr_in)),
	[TLSHUB_A_PEER_FLAGS] =
		NLA_POLICY_MASK(NLA_U32, TLSHUB_SET_REPLACE_NETWORKS | TLSHUB_SET_UPDATE_ONLY),
	[TLSHUB_A_PEER_NETWORK] = NLA_POLICY_NESTED(network_policy),
};

static const u8 no_key[TLSHUB_KEY_LEN];

static struct tlshub_hub *hub_of(const struct genl_info *info)
{
	return net_generic(genl_info_net((struct genl_info *)info), tlshub_net_id);
}

/* ---- what goes in */

static int read_network(struct nlattr *nest, struct tlshub_prefix *prefix,
			struct netlink_ext_ack *extack)
{
	struct nlattr *attributes[TLSHUB_A_NETWORK_MAX + 1];
	int error, width, len;
	u8 length;

	error = nla_parse_nested(attributes, TLSHUB_A_NETWORK_MAX, nest, network_policy, extack);
	if (error)
		return error;
	if (!attributes[TLSHUB_A_NETWORK_ADDRESS] || !attributes[TLSHUB_A_NETWORK_PREFIX]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a network has an address and a prefix");
		return -EINVAL;
	}
	len = nla_len(attributes[TLSHUB_A_NETWORK_ADDRESS]);
	length = nla_get_u8(attributes[TLSHUB_A_NETWORK_PREFIX]);
	width = len == 4 ? 32 : 128;
	if ((len != 4 && len != TLSHUB_ADDRESS_LEN) || length > width) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "an address has 4 or 16 bytes, and a prefix not more bits");
		return -EINVAL;
	}
	prefix->length = length + 128 - width;
	if (len == 4)
		ipv6_addr_set_v4mapped(nla_get_be32(attributes[TLSHUB_A_NETWORK_ADDRESS]),
				       &prefix->address);
	else
		memcpy(&prefix->address, nla_data(attributes[TLSHUB_A_NETWORK_ADDRESS]),
		       sizeof(prefix->address));
	return 0;
}

/* The networks of a message, checked first and then taken: a bad one changes nothing. */
static int set_networks(struct tlshub_hub *hub, struct genl_info *info, int type, bool replace,
			struct tlshub_peer *peer, struct list_head *list)
{
	struct tlshub_prefix prefix;
	struct nlattr *attribute;
	int error, left;

	nla_for_each_attr (attribute, genlmsg_data(info->genlhdr), genlmsg_len(info->genlhdr),
			   left) {
		if (nla_type(attribute) != type)
			continue;
		error = read_network(attribute, &prefix, info->extack);
		if (error)
			return error;
	}
	if (replace)
		tlshub_networks_clear(&hub->networks, list);
	nla_for_each_attr (attribute, genlmsg_data(info->genlhdr), genlmsg_len(info->genlhdr),
			   left) {
		if (nla_type(attribute) != type)
			continue;
		error = read_network(attribute, &prefix, info->extack);
		if (!error)
			error = tlshub_network_add(&hub->networks, &prefix, peer, list);
		if (error)
			return error;
	}
	return 0;
}

static int read_endpoint(const struct nlattr *attribute, struct tlshub_endpoint *endpoint)
{
	const struct sockaddr *generic = nla_data(attribute);
	int len = nla_len(attribute);

	memset(endpoint, 0, sizeof(*endpoint));
	if (generic->sa_family == AF_INET && len == sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *four = nla_data(attribute);

		ipv6_addr_set_v4mapped(four->sin_addr.s_addr, &endpoint->address);
		endpoint->port = four->sin_port;
	} else if (generic->sa_family == AF_INET6 && len == sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *six = nla_data(attribute);

		endpoint->address = six->sin6_addr;
		endpoint->port = six->sin6_port;
		endpoint->scope = six->sin6_scope_id;
	} else {
		return -EINVAL;
	}
	return endpoint->port ? 0 : -EINVAL;
}

static int set_identity(struct tlshub_hub *hub, const u8 private_key[TLSHUB_KEY_LEN],
			struct netlink_ext_ack *extack)
{
	struct tlshub_identity identity = {};
	bool none = !crypto_memneq(private_key, no_key, sizeof(no_key));
	struct tlshub_peer *peer;
	int error = 0;

	if (!none) {
		memcpy(identity.private, private_key, sizeof(identity.private));
		curve25519_clamp_secret(identity.private);
		if (!curve25519_generate_public(identity.public, identity.private)) {
			error = -EINVAL;
			goto out;
		}
	}
	if (hub->has_identity == !none &&
	    !crypto_memneq(&identity, &hub->identity, sizeof(identity)))
		goto out;
	if (!none && tlshub_peer_by_key(hub, identity.public)) {
		NL_SET_ERR_MSG(extack, "a peer has this key");
		error = -EEXIST;
		goto out;
	}
	list_for_each_entry (peer, &hub->peers, list) {
		tlshub_peer_goodbye(peer);
		tlshub_peer_forget_sessions(peer);
		memset(&peer->cookie, 0, sizeof(peer->cookie));
		peer->known = false;
	}
	hub->identity = identity;
	hub->has_identity = !none;
	hub->identity_serial++;
	tlshub_cookies_set_identity(&hub->cookies, identity.public);
out:
	memzero_explicit(&identity, sizeof(identity));
	return error;
}

static int set_port(struct tlshub_hub *hub, u16 port)
{
	if (hub->socket && hub->port == port)
		return 0;
	tlshub_session_flush(hub);
	tlshub_endpoint_close(hub);
	return port ? tlshub_endpoint_open(hub, port) : 0;
}

static int set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **attributes = info->attrs, *key = attributes[TLSHUB_A_NODE_PRIVATE_KEY];
	struct tlshub_hub *hub = hub_of(info);
	u32 flags = attributes[TLSHUB_A_NODE_FLAGS] ? nla_get_u32(attributes[TLSHUB_A_NODE_FLAGS])
						    : 0;
	int error;

	tlshub_lock(hub);
	error = set_networks(hub, info, TLSHUB_A_NODE_NETWORK, flags & TLSHUB_SET_REPLACE_NETWORKS,
			     NULL, &hub->networks_own);
	if (error)
		goto out;
	if (attributes[TLSHUB_A_NODE_LIFETIME_MS])
		hub->lifetime_ms = nla_get_u32(attributes[TLSHUB_A_NODE_LIFETIME_MS]);
	if (attributes[TLSHUB_A_NODE_START_MS])
		hub->start_ms = nla_get_u32(attributes[TLSHUB_A_NODE_START_MS]);
	if (key)
		error = set_identity(hub, nla_data(key), info->extack);
	if (error)
		goto out;
	if (attributes[TLSHUB_A_NODE_LISTEN_PORT])
		error = set_port(hub, nla_get_u16(attributes[TLSHUB_A_NODE_LISTEN_PORT]));
	else if (key && hub->has_identity && !hub->socket)
		error = set_port(hub, TLSHUB_DEFAULT_PORT);
	if (error)
		NL_SET_ERR_MSG(info->extack, "cannot listen at this UDP port");
out:
	tlshub_unlock(hub);
	/* The message has been read; what it is in is freed as it is. */
	if (key)
		memzero_explicit(nla_data(key), nla_len(key));
	return error;
}

static int change_peer(struct tlshub_hub *hub, struct genl_info *info, const char *name)
{
	struct nlattr **attributes = info->attrs, *key = attributes[TLSHUB_A_PEER_PUBLIC_KEY];
	u32 flags = attributes[TLSHUB_A_PEER_FLAGS] ? nla_get_u32(attributes[TLSHUB_A_PEER_FLAGS])
						    : 0;
	struct tlshub_peer *peer = tlshub_peer_by_name(hub, name);
	struct tlshub_endpoint endpoint;
	int error = 0;

	if (attributes[TLSHUB_A_PEER_ENDPOINT] &&
	    read_endpoint(attributes[TLSHUB_A_PEER_ENDPOINT], &endpoint)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attributes[TLSHUB_A_PEER_ENDPOINT],
				    "no address with a port");
		return -EINVAL;
	}
	if (key && hub->has_identity &&
	    !memcmp(nla_data(key), hub->identity.public, TLSHUB_KEY_LEN)) {
		NL_SET_ERR_MSG_ATTR(info->extack, key, "this is the node's own key");
		return -EINVAL;
	}
	if (!peer) {
		if (flags & TLSHUB_SET_UPDATE_ONLY)
			return -ENOENT;
		if (!key) {
			NL_SET_ERR_MSG(info->extack, "a new peer has to have a public key");
			return -EINVAL;
		}
		peer = tlshub_peer_add(hub, name, nla_data(key), &error);
	} else if (key) {
		error = tlshub_peer_set_key(peer, nla_data(key));
	}
	if (error) {
		if (error == -EEXIST)
			NL_SET_ERR_MSG_ATTR(info->extack, key, "another peer has this key");
		return error;
	}
	error = set_networks(hub, info, TLSHUB_A_PEER_NETWORK, flags & TLSHUB_SET_REPLACE_NETWORKS,
			     peer, &peer->networks);
	if (error)
		return error;
	if (attributes[TLSHUB_A_PEER_PRESHARED_KEY])
		tlshub_peer_set_preshared(peer, nla_data(attributes[TLSHUB_A_PEER_PRESHARED_KEY]));
	if (attributes[TLSHUB_A_PEER_ENDPOINT]) {
		peer->endpoint = endpoint;
		peer->has_endpoint = true;
	}
	return 0;
}

static const char *name_in(struct genl_info *info)
{
	const struct nlattr *attribute = info->attrs[TLSHUB_A_PEER_NAME];

	return attribute && nla_len(attribute) > 1 ? nla_data(attribute) : NULL;
}

static int peer_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *preshared = info->attrs[TLSHUB_A_PEER_PRESHARED_KEY];
	struct tlshub_hub *hub = hub_of(info);
	const char *name = name_in(info);
	int error = -EINVAL;

	if (name) {
		tlshub_lock(hub);
		error = change_peer(hub, info, name);
		tlshub_unlock(hub);
	}
	if (preshared)
		memzero_explicit(nla_data(preshared), nla_len(preshared));
	return error;
}

static int peer_del(struct sk_buff *skb, struct genl_info *info)
{
	struct tlshub_hub *hub = hub_of(info);
	const char *name = name_in(info);
	struct tlshub_peer *peer;

	if (!name)
		return -EINVAL;
	tlshub_lock(hub);
	peer = tlshub_peer_by_name(hub, name);
	if (peer)
		tlshub_peer_remove(peer);
	tlshub_unlock(hub);
	return peer ? 0 : -ENOENT;
}

/* ---- what comes out */

static int put_address(struct sk_buff *skb, int type, const u8 address[TLSHUB_ADDRESS_LEN])
{
	struct in6_addr whole;

	memcpy(&whole, address, sizeof(whole));
	if (ipv6_addr_v4mapped(&whole))
		return nla_put(skb, type, 4, &whole.s6_addr32[3]);
	return nla_put(skb, type, sizeof(whole), &whole);
}

static int put_endpoint(struct sk_buff *skb, int type, const struct tlshub_endpoint *endpoint)
{
	if (ipv6_addr_v4mapped(&endpoint->address)) {
		const struct sockaddr_in four = {
			.sin_family = AF_INET,
			.sin_port = endpoint->port,
			.sin_addr.s_addr = endpoint->address.s6_addr32[3],
		};

		return nla_put(skb, type, sizeof(four), &four);
	} else {
		const struct sockaddr_in6 six = {
			.sin6_family = AF_INET6,
			.sin6_port = endpoint->port,
			.sin6_addr = endpoint->address,
			.sin6_scope_id = endpoint->scope,
		};

		return nla_put(skb, type, sizeof(six), &six);
	}
}

static int put_networks(struct sk_buff *skb, int type, const struct list_head *list)
{
	const struct tlshub_network *network;

	list_for_each_entry (network, list, list) {
		const struct tlshub_prefix *prefix = &network->prefix;
		bool four = ipv6_addr_v4mapped(&prefix->address) && prefix->length >= 96;
		struct nlattr *nest = nla_nest_start(skb, type);

		if (!nest ||
		    (four ? nla_put(skb, TLSHUB_A_NETWORK_ADDRESS, 4, &prefix->address.s6_addr32[3])
			  : nla_put(skb, TLSHUB_A_NETWORK_ADDRESS, 16, &prefix->address)) ||
		    nla_put_u8(skb, TLSHUB_A_NETWORK_PREFIX, prefix->length - (four ? 96 : 0)))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

static int put_counters(struct sk_buff *skb, struct tlshub_hub *hub)
{
	struct nlattr *nest = nla_nest_start(skb, TLSHUB_A_NODE_COUNTERS);
	int i;

	if (!nest)
		return -EMSGSIZE;
	for (i = TLSHUB_A_COUNTER_PAD + 1; i <= TLSHUB_A_COUNTER_MAX; i++) {
		if (nla_put_u64_64bit(skb, i, hub->counters[i], TLSHUB_A_COUNTER_PAD))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/* Room for a message with that many networks: 28 bytes is what one takes. */
static size_t size_with(const struct list_head *networks)
{
	const struct list_head *at;
	size_t size = 2048;

	list_for_each(at, networks) size += 32;
	return size;
}

static int get(struct sk_buff *skb, struct genl_info *info)
{
	struct tlshub_hub *hub = hub_of(info);
	struct sk_buff *reply = NULL;
	int error = -ENOMEM;
	void *head;

	tlshub_lock(hub);
	reply = genlmsg_new(size_with(&hub->networks_own), GFP_KERNEL);
	if (!reply)
		goto out;
	error = -EMSGSIZE;
	head = genlmsg_put_reply(reply, info, &family, 0, TLSHUB_CMD_GET);
	if (!head ||
	    (hub->has_identity &&
	     nla_put(reply, TLSHUB_A_NODE_PUBLIC_KEY, TLSHUB_KEY_LEN, hub->identity.public)) ||
	    nla_put_u16(reply, TLSHUB_A_NODE_LISTEN_PORT, hub->port) ||
	    put_networks(reply, TLSHUB_A_NODE_NETWORK, &hub->networks_own) ||
	    nla_put_u32(reply, TLSHUB_A_NODE_LIFETIME_MS, hub->lifetime_ms) ||
	    nla_put_u32(reply, TLSHUB_A_NODE_START_MS, hub->start_ms) ||
	    nla_put_u32(reply, TLSHUB_A_NODE_PEERS, hub->peer_count) ||
	    nla_put_u32(reply, TLSHUB_A_NODE_FLOWS, hub->flow_count) ||
	    nla_put_u32(reply, TLSHUB_A_NODE_WAITERS, hub->waiter_count) ||
	    put_counters(reply, hub))
		goto out;
	genlmsg_end(reply, head);
	error = 0;
out:
	tlshub_unlock(hub);
	if (!error)
		return genlmsg_reply(reply, info);
	nlmsg_free(reply);
	return error;
}

static int put_peer(struct sk_buff *skb, const struct tlshub_peer *peer)
{
	const struct tlshub_session *session = peer->current_session;
	u8 state = session	   ? TLSHUB_PEER_SESSION
		   : peer->shaking ? TLSHUB_PEER_HANDSHAKE
				   : TLSHUB_PEER_IDLE;

	if (nla_put_string(skb, TLSHUB_A_PEER_NAME, peer->name) ||
	    nla_put(skb, TLSHUB_A_PEER_PUBLIC_KEY, TLSHUB_KEY_LEN, peer->public_key) ||
	    (peer->has_endpoint && put_endpoint(skb, TLSHUB_A_PEER_ENDPOINT, &peer->endpoint)) ||
	    put_networks(skb, TLSHUB_A_PEER_NETWORK, &peer->networks) ||
	    nla_put_u8(skb, TLSHUB_A_PEER_STATE, state) ||
	    (session && nla_put_u64_64bit(skb, TLSHUB_A_PEER_SESSION_AGE_MS,
					  div_u64(tlshub_now() - session->since, TLSHUB_MS),
					  TLSHUB_A_PEER_PAD)) ||
	    nla_put_u64_64bit(skb, TLSHUB_A_PEER_HANDSHAKES, peer->handshakes, TLSHUB_A_PEER_PAD) ||
	    nla_put_u64_64bit(skb, TLSHUB_A_PEER_STARTS, peer->starts, TLSHUB_A_PEER_PAD) ||
	    nla_put_u64_64bit(skb, TLSHUB_A_PEER_KEYS_TAKEN, peer->keys_taken, TLSHUB_A_PEER_PAD) ||
	    nla_put_u32(skb, TLSHUB_A_PEER_PENDING, peer->starting) ||
	    nla_put_u64_64bit(skb, TLSHUB_A_PEER_SENT, peer->sent, TLSHUB_A_PEER_PAD) ||
	    nla_put_u64_64bit(skb, TLSHUB_A_PEER_RECEIVED, peer->received, TLSHUB_A_PEER_PAD))
		return -EMSGSIZE;
	return 0;
}

static int peer_get(struct sk_buff *skb, struct genl_info *info)
{
	struct tlshub_hub *hub = hub_of(info);
	const char *name = name_in(info);
	struct sk_buff *reply = NULL;
	struct tlshub_peer *peer;
	int error = -ENOENT;
	void *head;

	if (!name)
		return -EINVAL;
	tlshub_lock(hub);
	peer = tlshub_peer_by_name(hub, name);
	if (!peer)
		goto out;
	error = -ENOMEM;
	reply = genlmsg_new(size_with(&peer->networks), GFP_KERNEL);
	if (!reply)
		goto out;
	error = -EMSGSIZE;
	head = genlmsg_put_reply(reply, info, &family, 0, TLSHUB_CMD_PEER_GET);
	if (!head || put_peer(reply, peer))
		goto out;
	genlmsg_end(reply, head);
	error = 0;
out:
	tlshub_unlock(hub);
	if (!error)
		return genlmsg_reply(reply, info);
	nlmsg_free(reply);
	return error;
}

/* A part of a dump; false: the message is full. */
static bool put_part(struct sk_buff *skb, struct netlink_callback *callback, u8 command,
		     int (*put)(struct sk_buff *skb, const void *object), const void *object)
{
	void *head = genlmsg_put(skb, NETLINK_CB(callback->skb).portid, callback->nlh->nlmsg_seq,
				 &family, NLM_F_MULTI, command);

	if (!head)
		return false;
	genl_dump_check_consistent(callback, head);
	if (put(skb, object)) {
		genlmsg_cancel(skb, head);
		return false;
	}
	genlmsg_end(skb, head);
	return true;
}

static int put_peer_object(struct sk_buff *skb, const void *object)
{
	return put_peer(skb, object);
}

static int peer_dump(struct sk_buff *skb, struct netlink_callback *callback)
{
	struct tlshub_hub *hub = net_generic(sock_net(skb->sk), tlshub_net_id);
	struct tlshub_peer *peer;
	long at = 0;

	tlshub_lock(hub);
	callback->seq = hub->peers_serial;
	list_for_each_entry (peer, &hub->peers, list) {
		if (at++ < callback->args[0])
			continue;
		if (!put_part(skb, callback, TLSHUB_CMD_PEER_GET, put_peer_object, peer))
			break;
		callback->args[0] = at;
	}
	/* One that does not fit into a message alone is an error, not the end. */
	if (!skb->len && !list_entry_is_head(peer, &hub->peers, list)) {
		tlshub_unlock(hub);
		return -EMSGSIZE;
	}
	tlshub_unlock(hub);
	return skb->len;
}

static int put_flow_object(struct sk_buff *skb, const void *object)
{
	const struct tlshub_flow *flow = object;

	if (put_address(skb, TLSHUB_A_FLOW_CLIENT_ADDRESS, flow->name.client_address) ||
	    put_address(skb, TLSHUB_A_FLOW_SERVER_ADDRESS, flow->name.server_address) ||
	    nla_put_u16(skb, TLSHUB_A_FLOW_CLIENT_PORT, ntohs(flow->name.client_port)) ||
	    nla_put_u16(skb, TLSHUB_A_FLOW_SERVER_PORT, ntohs(flow->name.server_port)) ||
	    nla_put_u32(skb, TLSHUB_A_FLOW_IDENT, flow->ident) ||
	    nla_put_u8(skb, TLSHUB_A_FLOW_SERVER, flow->name.server) ||
	    nla_put_u8(skb, TLSHUB_A_FLOW_STATE, flow->state) ||
	    (flow->peer && nla_put_string(skb, TLSHUB_A_FLOW_PEER, flow->peer->name)) ||
	    nla_put_u64_64bit(skb, TLSHUB_A_FLOW_AGE_MS,
			      div_u64(tlshub_now() - flow->since, TLSHUB_MS), TLSHUB_A_FLOW_PAD) ||
	    nla_put_u32(skb, TLSHUB_A_FLOW_WAITERS, flow->waiter_count))
		return -EMSGSIZE;
	return 0;
}

static int flow_dump_start(struct netlink_callback *callback)
{
	struct tlshub_hub *hub = net_generic(sock_net(callback->skb->sk), tlshub_net_id);
	struct rhashtable_iter *iterator = kmalloc(sizeof(*iterator), GFP_KERNEL);

	if (!iterator)
		return -ENOMEM;
	rhashtable_walk_enter(&hub->flows, iterator);
	callback->args[0] = (long)iterator;
	return 0;
}

static int flow_dump(struct sk_buff *skb, struct netlink_callback *callback)
{
	struct tlshub_hub *hub = net_generic(sock_net(skb->sk), tlshub_net_id);
	struct rhashtable_iter *iterator = (void *)callback->args[0];
	struct tlshub_flow *flow;

	/* Flows are freed under the lock only, so that each is there while it is looked at. */
	tlshub_lock(hub);
	rhashtable_walk_start(iterator);
	for (flow = rhashtable_walk_peek(iterator); flow; flow = rhashtable_walk_next(iterator)) {
		if (IS_ERR(flow)) {
			/* The table was resized: some may come twice. */
			if (PTR_ERR(flow) == -EAGAIN)
				continue;
			break;
		}
		if (!put_part(skb, callback, TLSHUB_CMD_FLOW_GET, put_flow_object, flow))
			break;
	}
	rhashtable_walk_stop(iterator);
	tlshub_unlock(hub);
	return skb->len;
}

static int flow_dump_done(struct netlink_callback *callback)
{
	struct rhashtable_iter *iterator = (void *)callback->args[0];

	rhashtable_walk_exit(iterator);
	kfree(iterator);
	return 0;
}

void tlshub_event(struct tlshub_hub *hub, enum tlshub_event event, const struct tlshub_peer *peer,
		  const struct tlshub_endpoint *endpoint, const u8 *public_key)
{
	u64 now = tlshub_now();
	struct sk_buff *skb;
	void *head;

	if (!genl_has_listeners(&family, hub->net, 0))
		return;
	if (event == TLSHUB_EVENT_UNKNOWN_PEER || event == TLSHUB_EVENT_UNDER_LOAD) {
		if (hub->last_event[event] && now - hub->last_event[event] < TLSHUB_SECOND_NS)
			return;
		hub->last_event[event] = now;
	}
	skb = genlmsg_new(512, GFP_KERNEL);
	if (!skb)
		return;
	head = genlmsg_put(skb, 0, 0, &family, 0, TLSHUB_CMD_EVENT);
	if (!head || nla_put_u32(skb, TLSHUB_A_EVENT_TYPE, event) ||
	    (peer && nla_put_string(skb, TLSHUB_A_EVENT_PEER, peer->name)) ||
	    (endpoint && put_endpoint(skb, TLSHUB_A_EVENT_ENDPOINT, endpoint)) ||
	    (public_key && nla_put(skb, TLSHUB_A_EVENT_PUBLIC_KEY, TLSHUB_KEY_LEN, public_key))) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, head);
	genlmsg_multicast_netns(&family, hub->net, skb, 0, 0, GFP_KERNEL);
}

/* ---- the family */

static const struct genl_ops operations[] = {
	{
		.cmd = TLSHUB_CMD_GET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = get,
		.policy = node_policy,
		.maxattr = TLSHUB_A_NODE_MAX,
	},
	{
		.cmd = TLSHUB_CMD_SET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = set,
		.policy = node_policy,
		.maxattr = TLSHUB_A_NODE_MAX,
	},
	{
		.cmd = TLSHUB_CMD_PEER_GET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = peer_get,
		.dumpit = peer_dump,
		.policy = peer_policy,
		.maxattr = TLSHUB_A_PEER_MAX,
	},
	{
		.cmd = TLSHUB_CMD_PEER_SET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = peer_set,
		.policy = peer_policy,
		.maxattr = TLSHUB_A_PEER_MAX,
	},
	{
		.cmd = TLSHUB_CMD_PEER_DEL,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = peer_del,
		.policy = peer_policy,
		.maxattr = TLSHUB_A_PEER_MAX,
	},
	{
		.cmd = TLSHUB_CMD_FLOW_GET,
		.flags = GENL_UNS_ADMIN_PERM,
		.start = flow_dump_start,
		.dumpit = flow_dump,
		.done = flow_dump_done,
	},
};

/* Who may listen, kernels before the flags of groups do not ask: events have nothing secret. */
static const struct genl_multicast_group groups[] = {
	{.name = TLSHUB_GENL_MCGRP_EVENTS, .flags = GENL_UNS_ADMIN_PERM},
};

static struct genl_family family __ro_after_init = {
	.name = TLSHUB_GENL_NAME,
	.version = TLSHUB_GENL_VERSION,
	.netnsok = true,
	.module = THIS_MODULE,
	.ops = operations,
	.n_ops = ARRAY_SIZE(operations),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int __init tlshub_control_register(void)
{
	return genl_register_family(&family);
}

void tlshub_control_unregister(void)
{
	genl_unregister_family(&family);
}
