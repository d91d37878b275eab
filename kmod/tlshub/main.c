// SPDX-License-Identifier: GPL-2.0-only
/* The module: a hub for each network namespace, and what all of them share. */
#include "hub.h"

#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <net/netns/generic.h>

#include "selftest/selftest.h"

#define LIFETIME_MS 60000
#define START_MS 4000
#define RENEW_SECONDS 120u
#define RENEW_KEYS 65536u

struct workqueue_struct *tlshub_workqueue;
unsigned int tlshub_net_id;

unsigned int tlshub_max_keys = 65536;
module_param_named(max_keys, tlshub_max_keys, uint, 0444);
MODULE_PARM_DESC(max_keys, "keys that a network namespace may have at once (64 to 16777216)");

unsigned int tlshub_renew_seconds = RENEW_SECONDS;
module_param_named(renew_seconds, tlshub_renew_seconds, uint, 0444);
MODULE_PARM_DESC(renew_seconds, "age at which a session is renewed (1 to 120)");

unsigned int tlshub_renew_keys = RENEW_KEYS;
module_param_named(renew_keys, tlshub_renew_keys, uint, 0444);
MODULE_PARM_DESC(renew_keys, "keys made over a session after which it is renewed (1 to 65536)");

static int __net_init hub_init(struct net *net)
{
	struct tlshub_hub *hub = net_generic(net, tlshub_net_id);
	int error;

	hub->net = net;
	mutex_init(&hub->lock);
	INIT_LIST_HEAD(&hub->networks_own);
	get_random_bytes(hub->instance, sizeof(hub->instance));
	hub->lifetime_ms = LIFETIME_MS;
	hub->start_ms = START_MS;
	tlshub_clock_init(hub);
	tlshub_channel_init(hub);
	tlshub_handshakes_init(hub);
	error = tlshub_networks_init(&hub->networks);
	if (error)
		return error;
	error = tlshub_indices_init(hub);
	if (error)
		goto fail_indices;
	error = tlshub_peers_init(hub);
	if (error)
		goto fail_peers;
	error = tlshub_flows_init(hub);
	if (error)
		goto fail_flows;
	error = tlshub_requests_init(hub);
	if (error)
		goto fail_requests;
	return 0;

fail_requests:
	tlshub_flows_exit(hub);
fail_flows:
	tlshub_peers_exit(hub);
fail_peers:
	tlshub_indices_exit(hub);
fail_indices:
	tlshub_networks_exit(&hub->networks);
	return error;
}

/*
 * Nobody asks any more: sockets of the protocol hold the namespace, and the module. So what is left
 * are the workers, who see `ending` under the lock, and are waited for.
 */
static void __net_exit hub_exit(struct net *net)
{
	struct tlshub_hub *hub = net_generic(net, tlshub_net_id);
	struct tlshub_peer *peer, *next;
	bool listened;

	tlshub_requests_exit(hub);
	tlshub_lock(hub);
	list_for_each_entry_safe (peer, next, &hub->peers, list)
		tlshub_peer_remove(peer);
	tlshub_networks_clear(&hub->networks, &hub->networks_own);
	hub->ending = true;
	listened = hub->socket;
	tlshub_session_flush(hub);
	tlshub_endpoint_close(hub);
	tlshub_unlock(hub);
	if (listened)
		synchronize_net(); /* endpoint.c, data_ready() */
	tlshub_channel_exit(hub);
	tlshub_handshakes_exit(hub);
	tlshub_clock_exit(hub);
	tlshub_flows_exit(hub);
	tlshub_peers_exit(hub);
	tlshub_indices_exit(hub);
	tlshub_networks_exit(&hub->networks);
	tlshub_cookies_exit(&hub->cookies);
	memzero_explicit(&hub->identity, sizeof(hub->identity));
}

static struct pernet_operations hub_operations = {
	.init = hub_init,
	.exit = hub_exit,
	.id = &tlshub_net_id,
	.size = sizeof(struct tlshub_hub),
};

static int __init tlshub_init(void)
{
	int error;

	if (!tlshub_selftest())
		return -ENOTRECOVERABLE;
	tlshub_max_keys = clamp(tlshub_max_keys, 64u, 1u << 24);
	tlshub_renew_seconds = clamp(tlshub_renew_seconds, 1u, RENEW_SECONDS);
	tlshub_renew_keys = clamp(tlshub_renew_keys, 1u, RENEW_KEYS);
	tlshub_handshakes_set_clock();
	tlshub_workqueue = alloc_workqueue("tlshub", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!tlshub_workqueue)
		return -ENOMEM;
	error = register_pernet_subsys(&hub_operations);
	if (error)
		goto fail_pernet;
	error = tlshub_requests_register();
	if (error)
		goto fail_requests;
	error = tlshub_control_register();
	if (error)
		goto fail_control;
	return 0;

fail_control:
	tlshub_requests_unregister();
fail_requests:
	unregister_pernet_subsys(&hub_operations);
fail_pernet:
	destroy_workqueue(tlshub_workqueue);
	return error;
}

static void __exit tlshub_exit(void)
{
	tlshub_control_unregister();
	tlshub_requests_unregister();
	unregister_pernet_subsys(&hub_operations);
	destroy_workqueue(tlshub_workqueue);
}

module_init(tlshub_init);
module_exit(tlshub_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("TLSHub: fresh keys for the connections of two nodes' pods");
MODULE_AUTHOR("The TLShub-eBPF authors");
