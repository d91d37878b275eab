// SPDX-License-Identifier: GPL-2.0-only
/*
 * The UDP socket: one for both families, or for IPv4 alone where there is no IPv6. It is an
 * ordinary socket of the kernel, read by a worker (channel.c): its buffer is what bounds a flood,
 * and it looks the same in every kernel, which the functions for tunnels do not.
 */
#include "hub.h"

#include <linux/net.h>
#include <linux/udp.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "compat.h"

/* Room for some thousand datagrams that wait for the worker. */
#define RECEIVE_BUFFER (1024 * 1024)

/*
 * Who has loaded its address may still be before its first line: module and hub go after
 * synchronize_net().
 */
static void data_ready(struct sock *sk)
{
	struct tlshub_hub *hub;

	read_lock_bh(&sk->sk_callback_lock);
	hub = sk->sk_user_data;
	if (hub)
		queue_work(tlshub_workqueue, &hub->receive_work);
	read_unlock_bh(&sk->sk_callback_lock);
}

static int bind_to(struct socket *socket, bool ipv6, u16 port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (!ipv6)
		return kernel_bind(socket, (tlshub_sockaddr *)&four, sizeof(four));
	socket->sk->sk_ipv6only = false;
	return kernel_bind(socket, (tlshub_sockaddr *)&six, sizeof(six));
}

int tlshub_endpoint_open(struct tlshub_hub *hub, u16 port)
{
	struct socket *socket;
	bool ipv6 = true;
	int error;

	error = sock_create_kern(hub->net, AF_INET6, SOCK_DGRAM, IPPROTO_UDP, &socket);
	if (error == -EAFNOSUPPORT) {
		ipv6 = false;
		error = sock_create_kern(hub->net, AF_INET, SOCK_DGRAM, IPPROTO_UDP, &socket);
	}
	if (error)
		return error;
	sock_set_rcvbuf(socket->sk, RECEIVE_BUFFER);
	error = bind_to(socket, ipv6, port);
	if (error) {
		sock_release(socket);
		return error;
	}
	hub->socket = socket;
	hub->ipv6 = ipv6;
	hub->port = port;
	write_lock_bh(&socket->sk->sk_callback_lock);
	socket->sk->sk_user_data = hub;
	hub->data_ready = socket->sk->sk_data_ready;
	socket->sk->sk_data_ready = data_ready;
	write_unlock_bh(&socket->sk->sk_callback_lock);
	/* What came before anybody was told of it. */
	queue_work(tlshub_workqueue, &hub->receive_work);
	return 0;
}

void tlshub_endpoint_close(struct tlshub_hub *hub)
{
	struct socket *socket = hub->socket;

	if (!socket)
		return;
	hub->socket = NULL;
	hub->port = 0;
	write_lock_bh(&socket->sk->sk_callback_lock);
	socket->sk->sk_user_data = NULL;
	socket->sk->sk_data_ready = hub->data_ready;
	write_unlock_bh(&socket->sk->sk_callback_lock);
	sock_release(socket);
}

static void to_four(struct sockaddr_in *four, const struct tlshub_endpoint *endpoint)
{
	*four = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = endpoint->port,
		.sin_addr.s_addr = endpoint->address.s6_addr32[3],
	};
}

static void to_six(struct sockaddr_in6 *six, const struct tlshub_endpoint *endpoint)
{
	*six = (struct sockaddr_in6){
		.sin6_family = AF_INET6,
		.sin6_port = endpoint->port,
		.sin6_addr = endpoint->address,
		.sin6_scope_id = endpoint->scope,
	};
}

int tlshub_endpoint_send(struct tlshub_hub *hub, const struct tlshub_endpoint *to, void *data,
			 size_t len)
{
	struct kvec vec = {.iov_base = data, .iov_len = len};
	struct msghdr message = {.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL};
	struct sockaddr_in6 six;
	struct sockaddr_in four;
	int sent = -ENOTCONN;

	if (!hub->socket)
		goto out;
	if (hub->ipv6) {
		to_six(&six, to);
		message.msg_name = &six;
		message.msg_namelen = sizeof(six);
	} else {
		if (!ipv6_addr_v4mapped(&to->address)) {
			sent = -EAFNOSUPPORT;
			goto out;
		}
		to_four(&four, to);
		message.msg_name = &four;
		message.msg_namelen = sizeof(four);
	}
	sent = kernel_sendmsg(hub->socket, &message, &vec, 1, len);
out:
	tlshub_count(hub, sent < 0 ? TLSHUB_A_COUNTER_SEND_ERRORS : TLSHUB_A_COUNTER_SENT);
	return sent < 0 ? sent : 0;
}

int tlshub_endpoint_receive(struct tlshub_hub *hub, struct tlshub_endpoint *from, void *data,
			    size_t size)
{
	struct kvec vec = {.iov_base = data, .iov_len = size};
	struct sockaddr_in6 name = {};
	struct msghdr message = {.msg_name = &name};
	int got;

	if (!hub->socket)
		return -EAGAIN;
	got = kernel_recvmsg(hub->socket, &message, &vec, 1, size, MSG_DONTWAIT | MSG_TRUNC);
	if (got < 0)
		return got;
	memset(from, 0, sizeof(*from));
	if (name.sin6_family == AF_INET6) {
		from->address = name.sin6_addr;
		from->port = name.sin6_port;
		from->scope = name.sin6_scope_id;
	} else {
		const struct sockaddr_in *four = (const struct sockaddr_in *)&name;

		ipv6_addr_set_v4mapped(four->sin_addr.s_addr, &from->address);
		from->port = four->sin_port;
	}
	return got;
}
