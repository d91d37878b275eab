// SPDX-License-Identifier: GPL-2.0-only
/*
 * FIONREAD (SIOCINQ), as plain TCP answers it. The kernel counts TCP's queue: under kTLS those are records, and what was decrypted is not among
 * them. It says 0 while bytes wait, and programs that go by it (nginx) then wait for an event that never comes.
 *
 * The kernel's own answer is in the program's memory when inet_ioctl() returns, and is written over. That page was written a moment before;
 * should it be gone all the same, the kernel's answer stands. A locked-down kernel has no bpf_probe_write_user(): the agent then loads its
 * object without these programs (native/domain/gate.cc).
 *
 * While a flow is held, its queues have nothing but the agent's handshake in them, which is nothing to its program.
 */
#include "hold.bpf.h"
#include "unread.bpf.h"

static __always_inline int answer_queue(struct socket *sock, unsigned int cmd, unsigned long arg, int ret)
{
	struct tlshub_flow *f;
	struct tcp_sock *tp;
	struct sock *sk;
	__u32 bytes = 0;

	if (ret || (cmd != SIOCINQ && cmd != SIOCOUTQ && cmd != SIOCOUTQNSD))
		return 0;
	sk = sock->sk;
	if (!sk || !is_inet_family(sk->__sk_common.skc_family))
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || !f->flow_class || f->flow_class == CLASS_PLAINTEXT || is_agent(bpf_get_current_task_btf()))
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	if (is_open(sk, tp, f, cmd == SIOCINQ ? TLSHUB_RX : TLSHUB_TX)) {
		if (cmd != SIOCINQ || !(kernel_encrypts(tp) & TLSHUB_RX))
			return 0;
		bytes = readable_bytes(sk, tp);
	}
	bpf_probe_write_user((void *)arg, &bytes, sizeof(bytes));
	return 0;
}

SEC("fexit/inet_ioctl")
int BPF_PROG(answer_ioctl, struct socket *sock, unsigned int cmd, unsigned long arg, int ret)
{
	return answer_queue(sock, cmd, arg, ret);
}

SEC("fexit/inet6_ioctl")
int BPF_PROG(answer_ioctl6, struct socket *sock, unsigned int cmd, unsigned long arg, int ret)
{
	return answer_queue(sock, cmd, arg, ret);
}

#if defined(__TARGET_ARCH_x86)
static __always_inline unsigned long kernel_variable(const char *name, int size)
{
	unsigned long value = 0;
	__u64 at = 0;

	if (!bpf_kallsyms_lookup_name(name, size, 0, &at))
		bpf_probe_read_kernel(&value, sizeof(value), (const void *)at);
	return value;
}

/* Run once, before the others. Who may not know the kernel's addresses finds nothing, and what lies in pages is not looked at. */
SEC("syscall")
int find_pages(void *ctx)
{
	const char array[] = "vmemmap_base", map[] = "page_offset_base";

	page_array = kernel_variable(array, sizeof(array));
	direct_map = kernel_variable(map, sizeof(map));
	return 0;
}
#endif

char _license[] SEC("license") = "GPL";
