// SPDX-License-Identifier: Apache-2.0
/** What the keys of src/config/keys.ts say, in Chinese, by the English text. */
export const KEY_TEXTS: Readonly<Record<string, string>> = {
  'Key provider: where the keys of a new connection come from. openssl and boringssl are the same TLS 1.3 on the wire and work with each other. The supervisor refuses a mode that it has no provider for. `tlshubctl mode set` switches while the agent runs.':
    '密钥提供者：新连接的密钥从哪里来。openssl 和 boringssl 在线路上是同样的 TLS 1.3，可以互通。没有对应密钥提供者的模式，代理拒绝接受。`tlshubctl mode set` 可以在代理运行时切换。',
  'The Pod-Node mapping: which pods run on which node, and their addresses. An address in it is a mesh peer.':
    'Pod-Node 映射：哪些 Pod 在哪个节点上运行，地址是什么。写进映射的地址就是网格里的对端。',
  'Where the mapping comes from: the file of pod_node_config, or the Pods of a Kubernetes cluster, followed as they come and go and named namespace/name.':
    '映射从哪里来：pod_node_config 的文件，或者 Kubernetes 集群里的 Pod。后者随 Pod 的增减而变化，名字是 namespace/name。',
  'For pod_source = kubernetes: a kubeconfig file, of which the current context is used. Empty: the service account that Kubernetes gives to a Pod.':
    'pod_source = kubernetes 时：一个 kubeconfig 文件，使用其当前 context。留空：使用 Kubernetes 给 Pod 的服务账号。',
  'For pod_source = kubernetes: only Pods of this namespace. Empty: of all.':
    'pod_source = kubernetes 时：只要这个 namespace 里的 Pod。留空：所有 namespace。',
  'For pod_source = kubernetes: only Pods with these labels.': 'pod_source = kubernetes 时：只要带有这些标签的 Pod。',
  'For pod_source = kubernetes: only Pods with these fields. Pods that have ended never count, whatever this says; the default spares the agent from hearing of them.':
    'pod_source = kubernetes 时：只要具有这些字段的 Pod。已结束的 Pod 无论如何都不算；默认值让代理不必听到它们。',
  "For pod_source = kubernetes: also Pods in their node's network namespace. Their address is the node's, so it then belongs to the mesh as a whole, with the kubelet and all else that is not captured.":
    'pod_source = kubernetes 时：也包括使用节点网络命名空间的 Pod。它们的地址就是节点的地址，于是整个节点都属于网格，包括 kubelet 和其他一切没有被捕获的程序。',
  'For pod_source = kubernetes: also the addresses of Services, each with the nodes of the Pods behind it, from EndpointSlices. With false they are addresses like any other that is not in the mapping.':
    'pod_source = kubernetes 时：也包括 Service 的地址，按 EndpointSlice 记在其背后 Pod 所在的节点名下。设为 false 时，它们与其他不在映射里的地址一样。',
  'For pod_source = kubernetes: how long the agent waits for the first lists of Pods, Services and EndpointSlices when it starts.':
    'pod_source = kubernetes 时：代理启动时，等待首次取得 Pod、Service 和 EndpointSlice 列表的时间。',
  'For pod_source = kubernetes: after this long without the API server the agent says that it is not ready. It goes on with the mapping that it has.':
    'pod_source = kubernetes 时：API server 失联超过这么久之后，代理报告自己未就绪。它继续使用手里的映射。',
  'Netlink protocol number of the TLSHub kernel module (used by mode = tlshub).':
    'TLSHub 内核模块的 netlink 协议编号（mode = tlshub 时使用）。',
  'Least severe message that is logged.': '写入日志的最低严重程度。',
  'Human log lines carry all fields, and errors their stack. JSON log lines always do.':
    '供人阅读的日志行带上所有字段，错误带上调用栈。JSON 日志行总是如此。',
  'What becomes of a connection whose peer is not in the mapping: strict refuses it, permissive lets it go in plaintext and counts it. Peers in the mapping are always secured or refused.':
    '对端不在映射里的连接怎么办：strict 拒绝，permissive 让它走明文并计数。到映射里的对端的连接总是要么加密，要么被拒绝。',
  'Connections that go in plaintext though their peer is in the mapping, or under strict though it is not. A rule without a port is about connections one of whose ends is in its network, one with a port about connections to a server there. The longest prefix decides, then a port, then policy_require. docs/POLICY.md has examples.':
    '即使对端在映射里，或者在 strict 下不在映射里，也走明文的连接。不带端口的规则针对任意一端在其网络里的连接，带端口的规则针对到那里的服务器的连接。最长前缀优先，其次是带端口的，再次是 policy_require。例子见 docs/POLICY.md。',
  'Connections that must be secured, also under permissive and with policy_same_node = plaintext: they are refused if the peer is not in the mapping. Rules as in policy_exclude.':
    '必须加密的连接，在 permissive 下和 policy_same_node = plaintext 时也一样：对端不在映射里就拒绝。规则的写法同 policy_exclude。',
  "Connections between two pods of this node, by the mapping of both addresses: secured like any other, or left in plaintext since they never leave the host. An address that other nodes' pods have as well is not taken for this node's.":
    '按两端地址的映射，同属本节点的两个 Pod 之间的连接：与其他连接一样加密，或者因为从不离开本机而保持明文。其他节点的 Pod 也拥有的地址不算本节点的。',
  'Write and heed the marker, a TCP option by which the agents of two nodes tell each other what they are going to do with a connection. It makes refusals quicker and their reasons clearer (docs/POLICY.md), and exchange = channel needs it. A SYN that has to be sent again goes without.':
    '写入并采信标记。标记是一个 TCP 选项，两个节点的代理用它告知对方自己打算怎样处理一条连接。它让拒绝来得更快、原因更清楚（docs/POLICY.md），exchange = channel 也需要它。需要重发的 SYN 不带标记。',
  'How two agents agree on the keys of a connection, with mode = openssl and boringssl. channel: by one handshake for each pair of nodes and period, from which both know the keys of each connection without a word; where that is not possible, in-band. in-band: by a handshake on the connection itself. Where this is not set, channels begin when node_endpoints or channel_listen is: a configuration that has none of the three opens no port for them.':
    '两个代理怎样为一条连接约定密钥，适用于 mode = openssl 和 boringssl。channel：每一对节点在每个周期只握手一次，两端据此得知每条连接的密钥，不再交换消息；做不到时走带内。in-band：在连接上握手。没有设置这一项时，只要设置了 node_endpoints 或 channel_listen 就使用通道；三项都没有的配置不为通道打开任何端口。',
  "Where other nodes' agents reach this one for a channel; a port is opened only with exchange = channel. Empty: nowhere, and connections from them are in-band.":
    '其他节点的代理在哪里为建立通道而连到本代理；只有 exchange = channel 时才打开端口。留空：不监听，来自它们的连接走带内。',
  "How long one handshake of a channel gives keys to new connections; ten seconds later what it gave is forgotten at both ends. Who takes hold of an agent's memory can open the connections of that long, so a longer time is for fewer handshakes alone. The same on all nodes: between two with different times some seconds of each period are in-band.":
    '通道的一次握手在多长时间内为新连接提供密钥；再过十秒，两端都忘掉它提供过的一切。谁掌握了代理的内存，就能解开这么长时间里的连接，所以只有为了减少握手才值得调长。所有节点应当相同：时间不同的两个节点之间，每个周期有几秒走带内。',
  'Where the agents of other nodes are to be reached for a channel: a file with `node address[:port]`, one node a line; the port is 9466 where none is given. Connections to a node that is not in it are in-band. Empty: with pod_source = kubernetes the addresses of the nodes that the Pods run on, else none. Only with exchange = channel.':
    '为建立通道，在哪里能到达其他节点的代理：一个文件，每行 `node address[:port]`，一个节点；没有写端口时是 9466。到不在其中的节点的连接走带内。留空：pod_source = kubernetes 时使用 Pod 所在节点的地址，否则没有。只有 exchange = channel 时有效。',
  "This node's name: as in the mapping's second column, and the DNS SAN of its certificate.":
    '本节点的名字：与映射的第二列一致，也是其证书的 DNS SAN。',
  'Cgroups (version 2) whose connections are captured, with all below them. A program is captured from its first connection after it was put there. Cgroups that match and appear later are captured as they appear, and one that does not exist yet is waited for. A pattern that ends in /* or /** is captured as the folder in front of it, so that its new children are captured from the moment they exist; one that matches more than 64 as the folder in front of its wildcards.':
    '捕获其连接的 cgroup（第 2 版），包括其下的一切。程序从放进去之后的第一条连接起被捕获。之后出现的匹配 cgroup 在出现时被捕获，尚不存在的则等待它出现。以 /* 或 /** 结尾的模式按其前面的目录整个捕获，因此新的子 cgroup 从存在的那一刻起就被捕获；匹配超过 64 个的模式按通配符前面的目录捕获。',
  'PEM file with the CAs whose nodes are trusted.': 'PEM 文件，内容是受信任节点的 CA。',
  "PEM file with this node's certificate, then intermediates if any.":
    'PEM 文件，内容是本节点的证书，其后是中间证书（如果有）。',
  "PEM file with this node's private key; only root should be able to read it.":
    'PEM 文件，内容是本节点的私钥；应当只有 root 能读取。',
  'Take new files of tls.ca, tls.cert and tls.key up by itself, all together and checked as by a reload, once they have been left alone for some seconds. Half-written files and halves of a pair are never put in force. false: only at a reload.':
    'tls.ca、tls.cert、tls.key 的文件更新后，停止变动几秒就自动采用：三者一起，并像重新加载那样经过检查。写到一半的文件、只换了一半的证书和私钥绝不会生效。false：只在重新加载时采用。',
  'TLS 1.3 cipher suites, in order of preference; all three exist in kernel TLS. BoringSSL offers all three and chooses by itself (AES where the processor has it): with mode = boringssl the order has no effect, and a handshake that ends in a suite not listed is refused.':
    'TLS 1.3 密码套件，按偏好排序；三种在内核 TLS 里都有。BoringSSL 三种都提供并自行选择（处理器支持 AES 时选 AES）：mode = boringssl 时顺序不起作用，握手若以未列出的套件结束则被拒绝。',
  'Key exchanges of a channel, in order of preference; what the TLS library does not have is left out. X25519MLKEM768 is a hybrid that a quantum computer does not open either: OpenSSL has it from 3.5 on. Only with exchange = channel.':
    '通道的密钥交换算法，按偏好排序；TLS 库没有的会被略去。X25519MLKEM768 是混合算法，量子计算机也解不开：OpenSSL 从 3.5 起支持。只有 exchange = channel 时有效。',
  'Resume sessions with nodes that a connection was made to before (TLS 1.3, psk_dhe_ke, no early data): such a handshake needs no certificates. Names are checked all the same, and after an hour, or after new credentials, there is a full handshake again. Only between nodes that both have it.':
    '与先前连接过的节点恢复会话（TLS 1.3，psk_dhe_ke，不用 early data）：这样的握手不需要证书。名字照样核对；一小时之后，或者换了新的证书之后，会再做一次完整握手。只在两端都开启时有效。',
  'Worker threads of the OpenSSL provider. Each runs many negotiations at once.':
    'OpenSSL 密钥提供者的工作线程数。每个线程同时进行许多协商。',
  'Negotiations of outgoing connections under way at once in one worker of the OpenSSL provider. One that waits for its peer costs memory only. No node gets more than half of them, no address more than a third, and a quarter is kept for addresses that answered before.':
    'OpenSSL 密钥提供者的一个工作线程里，同时进行的主动连接协商数。等待对端的协商只占内存。任何节点不超过一半，任何地址不超过三分之一，另有四分之一留给先前应答过的地址。',
  'Outgoing connections that wait to be admitted to the pool of the OpenSSL provider, addresses by turns. One more stays held, is counted, and asks again until its deadline. Incoming connections do not wait: pool_size times pool_in_flight and this many of them begin at once.':
    '等待 OpenSSL 密钥提供者的线程池接纳的主动连接数，各地址轮流。再多一条就继续扣住并计数，到期限之前会再次请求。被动连接不等待：同时开始的有 pool_size 乘以 pool_in_flight 再加上这么多条。',
  'Worker threads of the BoringSSL provider. Each runs many negotiations at once.':
    'BoringSSL 密钥提供者的工作线程数。每个线程同时进行许多协商。',
  'Negotiations of outgoing connections under way at once in one worker of the BoringSSL provider. One that waits for its peer costs memory only. No node gets more than half of them, no address more than a third, and a quarter is kept for addresses that answered before.':
    'BoringSSL 密钥提供者的一个工作线程里，同时进行的主动连接协商数。等待对端的协商只占内存。任何节点不超过一半，任何地址不超过三分之一，另有四分之一留给先前应答过的地址。',
  'Outgoing connections that wait to be admitted to the pool of the BoringSSL provider, addresses by turns. One more stays held, is counted, and asks again until its deadline. Incoming connections do not wait: pool_size times pool_in_flight and this many of them begin at once.':
    '等待 BoringSSL 密钥提供者的线程池接纳的主动连接数，各地址轮流。再多一条就继续扣住并计数，到期限之前会再次请求。被动连接不等待：同时开始的有 pool_size 乘以 pool_in_flight 再加上这么多条。',
  'Worker threads of the TLSHub provider. Each runs many negotiations at once.':
    'TLSHub 密钥提供者的工作线程数。每个线程同时进行许多协商。',
  'Negotiations of outgoing connections under way at once in one worker of the TLSHub provider. One that waits for its peer costs memory only. No node gets more than half of them, no address more than a third, and a quarter is kept for addresses that answered before.':
    'TLSHub 密钥提供者的一个工作线程里，同时进行的主动连接协商数。等待对端的协商只占内存。任何节点不超过一半，任何地址不超过三分之一，另有四分之一留给先前应答过的地址。',
  'Outgoing connections that wait to be admitted to the pool of the TLSHub provider, addresses by turns. One more stays held, is counted, and asks again until its deadline. Incoming connections do not wait: pool_size times pool_in_flight and this many of them begin at once.':
    '等待 TLSHub 密钥提供者的线程池接纳的主动连接数，各地址轮流。再多一条就继续扣住并计数，到期限之前会再次请求。被动连接不等待：同时开始的有 pool_size 乘以 pool_in_flight 再加上这么多条。',
  'Netlink sockets of one worker. Each has one request under way; handshakes never take all of them.':
    '一个工作线程的 netlink 套接字数。每个套接字同时只有一个请求；握手绝不会占用全部套接字。',
  'Cipher of connections whose keys TLSHub gives. The two ends do not negotiate it: it must be the same on all nodes.':
    '由 TLSHub 给出密钥的连接所用的密码套件。两端不会协商它：所有节点必须相同。',
  'For tests only: the netlink port id that answers, if it is not the kernel (0). A process that answers instead gives all the keys.':
    '仅供测试：如果应答的不是内核（0），这里是应答者的 netlink port id。由进程应答时，所有密钥都由它给出。',
  'A peer that is silent for longer is given up and the connection refused: from the beginning of its handshake, and only if its marker does not say that it has an agent. One that has may be waiting for its own processor, and has until overload_timeout_ms.':
    '对端沉默超过这么久就放弃并拒绝连接：从其握手开始算起，而且只在标记没有说明它有代理时。有代理的对端可能在等自己的处理器，期限是 overload_timeout_ms。',
  "How long a connection may wait for the processor, this node's or its peer's, when there are more than can be secured at once. They are served in order; one that will not be served in time is refused (TLSHUB_OVERLOAD).":
    '当连接多于能同时加密的数量时，一条连接可以等待处理器多久，无论是本节点的还是对端的。它们按顺序处理；不能及时轮到的被拒绝（TLSHUB_OVERLOAD）。',
  'A connection that is held for longer than this and overload_timeout_ms together is refused, by the gate itself, whatever the agent does. At least handshake_timeout_ms.':
    '扣住的时间超过这一项与 overload_timeout_ms 之和的连接，由闸门自己拒绝，无论代理在做什么。不小于 handshake_timeout_ms。',
  'How a caller is held. sleep: its thread alone sleeps in the kernel, and nothing else of its process notices (Linux 6.8 and later). stop: its whole process stands still (SIGSTOP). auto: sleep where the kernel can, else stop.':
    '怎样扣住调用者。sleep：只有它的线程在内核里睡眠，进程的其余部分毫无察觉（Linux 6.8 及以后）。stop：整个进程停住（SIGSTOP）。auto：内核支持就用 sleep，否则用 stop。',
  'How long calls that do not want to block may sleep all the same for one connection, before they hear EAGAIN: plain TCP takes the first bytes after a connect and has some for who was told "readable", and programs rely on both. At most hold_timeout_ms. Only with hold = sleep.':
    '不想阻塞的调用，为一条连接总共也可以睡眠多久，然后才得到 EAGAIN：普通 TCP 在 connect 之后会收下最初的字节，也会把数据交给得知“可读”的程序，而程序依赖这两点。不大于 hold_timeout_ms。只有 hold = sleep 时有效。',
  'How long a blocking program may be held for a peer that has not sent a single byte. At most hold_timeout_ms.':
    '对端一个字节都没有发来时，阻塞的程序可以被扣住多久。不大于 hold_timeout_ms。',
  'What becomes of connections that were made before a reload, if the new policy or mapping forbids them: true ends them, false leaves those alone that are secured or let go already, and judges those in hold by what was in force when they began.':
    '重新加载之前建立的连接，如果新的策略或映射禁止它们，怎么办：true 断开它们；false 不影响已经加密或已放行的连接，被扣住的按它们开始时生效的设置判断。',
  'On SIGTERM and SIGINT: how long handshakes under way may take to finish before they are aborted.':
    '收到 SIGTERM 或 SIGINT 时，进行中的握手可以用多久完成，之后被中止。',
  'What becomes of the gate on SIGTERM. hand-over: it stays shut, and what begins from then on waits for the next agent, for guardian_grace_ms. release: it is taken away, and what captured programs say from then on is in plaintext. SIGINT always releases.':
    '收到 SIGTERM 时闸门怎么办。hand-over：保持关闭，此后开始的连接等待下一个代理，最多 guardian_grace_ms。release：撤除，此后被捕获的程序以明文通信。SIGINT 总是撤除。',
  'Unix socket for tlshubctl; its folder must belong to the agent alone (mode 0700).':
    '供 tlshubctl 使用的 Unix 套接字；其目录必须只属于代理（权限 0700）。',
  'Where /healthz, /readyz and /metrics (Prometheus) are served, over plain HTTP and to whoever reaches it. Empty: off.':
    '在哪里提供 /healthz、/readyz 和 /metrics（Prometheus）：明文 HTTP，谁能连上谁就能读。留空：关闭。',
  'Folder on bpffs where the gate is pinned, so that it stays shut if the agent is killed.':
    'bpffs 上 pin 住闸门的目录，使它在代理被杀死后保持关闭。',
  'Pages of the perf buffer for each CPU. More of them ride out longer bursts of new connections.':
    '每个 CPU 的 perf 缓冲区页数。页数越多，越能承受更长的新连接突发。',
  'Size of each ring between two threads.': '两个线程之间每个环的大小。',
  'How long the gate believes in an agent that has stopped renewing its lease; after that it stops no more processes and refuses instead.':
    '代理停止续租之后，闸门还信任它多久；此后闸门不再停住进程，而是拒绝。',
  'Run the guardian: a small process of its own that continues stopped programs if the agent dies.':
    '运行 guardian：一个独立的小进程，代理死后由它让被停住的程序继续运行。',
  'How long the guardian waits for a new agent, after a restart or a death, before it ends the connections that are still held.':
    '重启或死亡之后，guardian 等待新代理多久，然后断开仍被扣住的连接。',
  'For tests only: append the secrets of every connection to this file (NSS key log format). Whoever reads it can read all the traffic. Empty: off.':
    '仅供测试：把每条连接的秘密追加到这个文件（NSS key log 格式）。谁能读它，谁就能读全部流量。留空：关闭。',
  'Folder for the metrics files, perf_metrics_<unix time>.json and .csv: written at exit and on SIGUSR2.':
    '指标文件 perf_metrics_<unix time>.json 和 .csv 的目录：退出时和收到 SIGUSR2 时写入。',
  'Connections that the metrics files list one by one: the last ones. Totals and percentiles are of all.':
    '指标文件逐条列出的连接数：最近的那些。总数和百分位数涵盖全部连接。',
  'The access log: a line for each connection that is over, refused ones too, with who, where to, bytes, times and why it ended. SIGHUP opens the file anew, and so does moving it away. Empty: off.':
    '访问日志：每条结束的连接一行，被拒绝的也有：谁、到哪里、字节数、各段时间和结束的原因。SIGHUP 会重新打开文件，把文件移走也会。留空：关闭。',
  "Form of its lines. json: one object a line; text: fields as name=value. The names are those of ztunnel's access log where they mean the same.":
    '日志行的格式。json：每行一个对象；text：name=value 形式的字段。含义相同的字段，名字与 ztunnel 的访问日志一致。',
  'Share of the connections that went well that have a line in it. Those that were refused, reset or failed always have one.':
    '正常结束的连接中，写入日志的比例。被拒绝、被重置或失败的总会写入。',
  'Closed connections that `tlshubctl flows` still shows; the oldest go first.':
    '`tlshubctl flows` 仍会显示的已关闭连接数；最早的先去掉。',
  'a path; a relative one is taken from the folder of the configuration file': '路径；相对路径以配置文件所在目录为准',
  'a path (a relative one is taken from the folder of the configuration file), or nothing':
    '路径（相对路径以配置文件所在目录为准），或者留空',
  'the name of a namespace, or nothing': 'namespace 的名字，或者留空',
  'a selector as kubectl takes it, such as app=web,tier!=cache, of at most 1024 characters, or nothing':
    'kubectl 接受的选择器，例如 app=web,tier!=cache，最多 1024 个字符，或者留空',
  'true or false (also yes, no, on, off, 1, 0)': 'true 或 false（也可写 yes、no、on、off、1、0）',
  milliseconds: '毫秒',
  'nothing, or rules separated by commas or spaces, at most 1024, each of the form ADDRESS, CIDR, :PORT, ADDRESS:PORT or CIDR:PORT (IPv6 with a port: [CIDR]:PORT)':
    '留空，或者以逗号或空格分隔的规则，最多 1024 条，每条的形式为 ADDRESS、CIDR、:PORT、ADDRESS:PORT 或 CIDR:PORT（带端口的 IPv6：[CIDR]:PORT）',
  'channel if node_endpoints or channel_listen is set and marker is true, else in-band':
    '设置了 node_endpoints 或 channel_listen 并且 marker 为 true 时是 channel，否则是 in-band',
  'ADDRESS:PORT, [IPV6-ADDRESS]:PORT, or nothing': 'ADDRESS:PORT、[IPV6-ADDRESS]:PORT，或者留空',
  'a DNS name: letters, digits, "-" and "_" in labels of up to 63, joined by dots, at most 253 characters':
    'DNS 名：由点连接的若干段，每段最多 63 个字符，由字母、数字、“-”和“_”组成，总共最多 253 个字符',
  "the host's name": '主机名',
  "it is the node's identity towards its peers": '它是本节点在对端面前的身份',
  'absolute paths, separated by commas or spaces, at most 64; * and ? stand for a part of one name, ** at the end for everything below':
    '绝对路径，以逗号或空格分隔，最多 64 个；* 和 ? 代表名字的一部分，末尾的 ** 代表其下的一切',
  'the programs are attached once': '程序只挂接一次',
  'an absolute path of at most 96 bytes': '最多 96 字节的绝对路径',
  'the socket is made once': '套接字只创建一次',
  'the endpoint is opened once': '端点只打开一次',
  'an absolute path': '绝对路径',
  'the gate is pinned there': '闸门 pin 在那里',
  'the perf buffer is made once': 'perf 缓冲区只创建一次',
  'the rings are made once': '环只创建一次',
  bytes: '字节',
  'the guardian knows it from its start': 'guardian 从启动时得知它',
  'it is started with the agent': '它随代理启动',
  'a path; a relative one is taken from the working folder of the agent': '路径；相对路径以代理的工作目录为准',
  'the list is made once': '列表只创建一次',
  'an absolute path, stdout, stderr, or nothing': '绝对路径、stdout、stderr，或者留空',
  'What the boot gate (docs/BOOT_GATE.md), where it is installed and enabled, does from the start of this host until the agent is there. closed: captured programs are refused addresses of the mesh, as after the death of an agent, and nothing else. open: nothing is shut, which is logged. off: nothing is kept for it, and what was kept is removed.':
    '启动闸门（docs/BOOT_GATE.md）在已安装并启用的主机上，从主机启动到代理就绪之间做什么。closed：被捕获的程序与网格地址之间的连接被拒绝，与代理死亡之后相同，除此之外什么都不拒绝。open：什么都不关闭，并写入日志。off：不为它保存任何内容，先前保存的也删除。',
  'Folder in which the agent keeps what the boot gate goes by: boot.state, with the captured cgroups, the policy and the addresses of the mesh, for root alone. It must be on the host, and be there before any captured program; the unit of the boot gate reads it in /var/lib/tlshub, from elsewhere with --state FILE.':
    '代理为启动闸门保存内容的目录，文件是 boot.state，包含被捕获的 cgroup、策略和网格地址，只有 root 可读。它必须在主机上，并且先于任何被捕获的程序存在；启动闸门的 unit 从 /var/lib/tlshub 读取，在别处则用 --state FILE。',
  'OpenTelemetry collector that is sent metrics and access log by OTLP (HTTP, protobuf), at /v1/metrics and /v1/logs below this. Empty: off.':
    'OpenTelemetry collector 的地址：指标和访问日志以 OTLP（HTTP、protobuf）发送到它下面的 /v1/metrics 和 /v1/logs。留空：关闭。',
  'http:// or https:// with host, port and path as needed, without user, query and fragment, or nothing':
    'http:// 或 https://，按需带主机、端口和路径，不带用户名、query 和 fragment；或者留空',
  'What it is sent. metrics: what /metrics shows; access_log: a record for each connection that is over, with or without access_log, by access_log_percent.':
    '发送什么。metrics：/metrics 所显示的；access_log：每条结束的连接一条记录，不论是否设置了 access_log，按 access_log_percent 取样。',
  'Between two exports of the metrics.': '两次导出指标之间的间隔。',
  'How long one export may take, repetitions included. What is not taken by then is dropped and counted. At most otlp.interval_ms.':
    '一次导出最多花多久，包括重试。到时仍未被接收的丢弃并计数。不超过 otlp.interval_ms。',
  'Headers of each request, for a token say: a file with `name: value` lines, for root alone. A reload reads it anew.':
    '每个请求的头部，例如令牌：一个由 `name: value` 行组成的文件，只有 root 可读。重新加载时再次读取。',
  "PEM file with the CAs that an https collector's certificate may be of. Empty: those that Node.js trusts.":
    'PEM 文件：https collector 的证书可以由其中的 CA 签发。留空：Node.js 所信任的那些。',
  'More attributes of the resource, name=value: deployment.environment.name=prod. They go before its own: service.name (tlshub), service.version, service.instance.id (node_name), host.name, and k8s.node.name with pod_source = kubernetes.':
    '更多的 resource 属性，name=value：deployment.environment.name=prod。它们优先于自带的属性：service.name（tlshub）、service.version、service.instance.id（node_name）、host.name，以及 pod_source = kubernetes 时的 k8s.node.name。',
  'nothing, or name=value separated by commas or spaces, at most 64; neither has a comma or a space in it':
    '留空，或者以逗号或空格分隔的 name=value，最多 64 个；两者都不含逗号和空格',
};
