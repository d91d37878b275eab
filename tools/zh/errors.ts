// SPDX-License-Identifier: Apache-2.0
/** What the errors of src/shared/errors/catalog/ say, in Chinese, by the English text. */
export const ERROR_TEXTS: Readonly<Record<string, string>> = {
  'The command line is wrong.': '命令行有误。',
  'Run the command with --help.': '加上 --help 运行该命令。',
  'An agent would not start with the configuration that was looked at, or not secure anything.':
    '用所查看的这份配置，代理不会启动，或者不会加密任何连接。',
  'The remedy stands below each item that is marked.': '处理办法写在每个带标记的条目下面。',
  'Something failed that has no code of its own.': '发生了没有专门错误码的失败。',
  'Run again with log_level = debug and report the log.': '设置 log_level = debug 再运行一次，并报告日志。',
  'A system call failed; errno and the call are named.': '一个系统调用失败；消息里有 errno 和调用名。',
  'Look up the errno for that call; `tlshubctl check` tells what this kernel lacks.':
    '查阅该调用的这个 errno；`tlshubctl check` 说明本机内核缺什么。',
  'The archive of a bug report cannot be written. There is none, rather than an incomplete one.':
    '问题报告的归档文件写不出来。宁可没有，也不留下不完整的文件。',
  'Name a file that does not exist, in a folder that exists, may be written to and has room.':
    '给出一个尚不存在的文件名；它所在的目录须存在、可写并有空间。',
  'The results of a benchmark cannot be written.': '基准测试的结果写不出来。',
  'Name files in a folder that exists, may be written to and has room (-o, -j).':
    '给出的文件须位于存在、可写并有空间的目录里（-o、-j）。',
  'BPF object, native addon and TypeScript are of different builds: a struct has another layout.':
    'BPF 目标文件、原生插件和 TypeScript 不是同一次编译的：某个结构的布局不同。',
  'Run `npm run build` in the checkout, and start the agent from the same one.':
    '在检出目录里运行 `npm run build`，并从同一个目录启动代理。',
  'Another agent lives that works on the same pins. Nothing of it has been touched.':
    '已有另一个代理在使用同一组 pin。它没有受到任何影响。',
  'Stop the process that the message names, or give this agent a bpf_pin_dir and a control_socket of its own.':
    '停止消息指出的进程，或者给这个代理单独的 bpf_pin_dir 和 control_socket。',
  'The gate could not be loaded, attached or pinned; the verifier is quoted.':
    '闸门无法加载、挂接或 pin；消息引用了 verifier 的原话。',
  'Run `tlshubctl check`: it says what this kernel lacks and how to get it.':
    '运行 `tlshubctl check`：它说明本机内核缺什么，怎么补上。',
  'A cgroup of capture.cgroup cannot be captured.': 'capture.cgroup 里有一个 cgroup 无法捕获。',
  'Make the cgroup, or correct capture.cgroup; it must be a folder of the cgroup2 hierarchy.':
    '创建该 cgroup，或者改正 capture.cgroup；它必须是 cgroup2 层级里的目录。',
  'A shared buffer is no ring, or of another layout.': '一块共享缓冲区不是环，或者布局不同。',
  'Run `npm run build`: addon and TypeScript are of different builds.':
    '运行 `npm run build`：插件和 TypeScript 不是同一次编译的。',
  'A handshake was started on a driver that had been closed.': '在已经关闭的驱动上发起了握手。',
  'Nothing, if the agent was stopping; else report the log.': '代理正在停止时无须处理；否则请报告日志。',
  'Keys could not be installed safely: the socket is not in the state that the handshake left it in.':
    '无法安全地安装密钥：套接字已不是握手结束时的状态。',
  'The connection was refused. If it is always the same program, look at what it does to its socket right after connecting.':
    '该连接已被拒绝。如果总是同一个程序，请看它在连接之后立刻对套接字做了什么。',
  'The gate itself refused the connection; the reason says why.': '闸门自己拒绝了该连接；原因说明了为什么。',
  'Each reason has its own remedy: `tlshubctl flows --state refused -o wide` shows it beside the connection.':
    '每种原因各有处理办法：`tlshubctl flows --state refused -o wide` 把它显示在连接旁边。',
  'The mapping names no node for the address of the peer, and policy = strict or a rule of policy_require refuses such connections.':
    '映射没有给出对端地址所属的节点，而 policy = strict 或 policy_require 的一条规则拒绝这样的连接。',
  "Add the peer's address to the mapping (pod_node_config) and run `tlshubctl reload`; or let it go in plaintext by policy_exclude.":
    '把对端的地址加进映射（pod_node_config），再运行 `tlshubctl reload`；或者用 policy_exclude 让它走明文。',
  'An earlier agent died in the middle of this handshake: it can be neither finished nor begun again.':
    '之前的代理在这次握手中途退出了：它既不能继续，也不能重新开始。',
  'Nothing: the program will connect again.': '无须处理：程序会重新连接。',
  'More connections are held at once than the agent can admit to negotiation.':
    '同时扣住的连接多于代理能够接纳协商的数量。',
  'Look for peers that do not answer (tlshubctl flows), or raise the pool sizes.':
    '查找不应答的对端（tlshubctl flows），或者调大线程池。',
  'The worker that negotiated this flow died or hung, and the flow could not be begun again.':
    '协商这条连接的工作线程退出或挂起了，而协商无法重新开始。',
  'The program will connect again; if it happens often, report the log.': '程序会重新连接；如果经常发生，请报告日志。',
  'The rules or the mapping that came into force forbid a connection that was made before, and revoke_on_reload is set.':
    '新生效的规则或映射禁止一条先前建立的连接，并且设置了 revoke_on_reload。',
  'Nothing, if that is what the change was for; else correct the mapping or the rules. New connections are judged by them too.':
    '如果这正是改动的目的，无须处理；否则改正映射或规则。新连接也按它们判断。',
  'The settings were to be changed at a time when they cannot be.': '要求更改设置的时机不允许更改。',
  'Nothing: the agent that is started next reads everything.': '无须处理：下一个启动的代理会读取全部设置。',
  'The agent is stopping and the flow was not secured in time.': '代理正在停止，该连接没能及时加密。',
  'Nothing: it is drain_timeout_ms that was reached.': '无须处理：这是到了 drain_timeout_ms。',
  'The configuration file cannot be read or is no text file.': '配置文件无法读取，或者不是文本文件。',
  'Check that the path exists, is a text file and is readable for the user of the agent. config/capture.conf of the package, copied there, is one to begin with.':
    '检查该路径是否存在、是否为文本文件、运行代理的用户能否读取。可以从软件包里的 config/capture.conf 复制一份开始。',
  'A line of the configuration is not `key = value`.': '配置里有一行不是 `key = value`。',
  'Correct the line named in the message; config/capture.conf describes every key.':
    '改正消息指出的那一行；config/capture.conf 说明了每个键。',
  'The configuration sets a key that does not exist.': '配置设置了一个不存在的键。',
  'The configuration sets a key twice.': '配置把一个键设置了两次。',
  'Remove one of the two lines.': '删去两行中的一行。',
  'A value is outside of what its key allows.': '一个值超出了其键允许的范围。',
  'Two values that are each allowed do not go together.': '两个值各自都允许，但不能同时使用。',
  'Change one of the two keys named in the message.': '修改消息指出的两个键之一。',
  'The health endpoint cannot listen where `health_listen` says.':
    '健康检查端点无法在 `health_listen` 给出的地址上监听。',
  'Choose an address of this host and a free port (`ss -ltn`), or set health_listen to nothing.':
    '选择本机的一个地址和空闲端口（`ss -ltn`），或者把 health_listen 设为空。',
  'The Pod-Node mapping cannot be read or is no text file.': 'Pod-Node 映射无法读取，或者不是文本文件。',
  'Check pod_node_config in capture.conf, and that the file is readable for the user of the agent. config/pod_node_mapping.conf of the package, copied there, is one to begin with.':
    '检查 capture.conf 里的 pod_node_config，以及运行代理的用户能否读取该文件。可以从软件包里的 config/pod_node_mapping.conf 复制一份开始。',
  'A line of the mapping lacks a column, is too long, or has a name that cannot be one.':
    '映射里有一行缺少一列、过长，或者有不合法的名字。',
  'Correct the line named in the message: `pod_name node_name [address-or-CIDR ...]`, one pod a line.':
    '改正消息指出的那一行：`pod_name node_name [address-or-CIDR ...]`，每行一个 Pod。',
  'An address of the mapping is neither an IPv4 or IPv6 address nor a CIDR, or covers what it must not.':
    '映射里的一个地址既不是 IPv4 或 IPv6 地址也不是 CIDR，或者覆盖了不允许的范围。',
  'A pod is listed on two lines, or an address twice for one pod.':
    '一个 Pod 出现在两行里，或者同一个 Pod 把一个地址列了两次。',
  'Join the two lines, or remove one.': '合并两行，或者删去一行。',
  'The Kubernetes API, where the mapping comes from, cannot be reached, refuses or does not answer as it should.':
    '映射来自 Kubernetes API，而它不可达、拒绝访问，或者应答不合规范。',
  'Check kubernetes.kubeconfig or the service account, and that the API server is reachable from this node.':
    '检查 kubernetes.kubeconfig 或服务账号，以及从本节点能否访问 API server。',
  'A text is no IPv4 or IPv6 address, or no CIDR.': '一段文本不是 IPv4 或 IPv6 地址，也不是 CIDR。',
  'Write 10.0.0.1, 10.0.0.0/24, fd00::1 or fd00::/64.': '写成 10.0.0.1、10.0.0.0/24、fd00::1 或 fd00::/64 的形式。',
  'The file with the endpoints of nodes cannot be read or is no text file.':
    '列出各节点端点的文件无法读取，或者不是文本文件。',
  'Check node_endpoints in capture.conf, and that the file is readable for the user of the agent.':
    '检查 capture.conf 里的 node_endpoints，以及运行代理的用户能否读取该文件。',
  'A line of the endpoints lacks a column or has one too many, is too long, or has a name that cannot be one.':
    '端点文件里有一行少一列或多一列、过长，或者有不合法的名字。',
  'Correct the line named in the message: `node address[:port]`, one node a line.':
    '改正消息指出的那一行：`node address[:port]`，每行一个节点。',
  'An endpoint is no address of one host, with or without a port.': '一个端点不是单个主机的地址（可带端口）。',
  'Write 10.0.0.1, 10.0.0.1:9466, fd00::1 or [fd00::1]:9466.':
    '写成 10.0.0.1、10.0.0.1:9466、fd00::1 或 [fd00::1]:9466 的形式。',
  'A node is listed on two lines, or two nodes at one place.': '一个节点出现在两行里，或者两个节点在同一个位置。',
  'Remove one of the two lines, or give each agent a port of its own.': '删去两行中的一行，或者给每个代理单独的端口。',
  'The CA, certificate or key of this node is missing, unparsable, has expired, names another node, or the parts do not belong together.':
    '本节点的 CA、证书或私钥缺失、无法解析、已过期、写的是另一个节点的名字，或者几个部分互不匹配。',
  'Check tls.ca, tls.cert and tls.key in capture.conf. For a lab `tlshubctl pki init /etc/tlshub/pki` makes a CA, and `tlshubctl pki issue NODE --as node` node.crt and node.key by it.':
    '检查 capture.conf 里的 tls.ca、tls.cert 和 tls.key。实验环境可以用 `tlshubctl pki init /etc/tlshub/pki` 建立 CA，再用 `tlshubctl pki issue NODE --as node` 由它签发 node.crt 和 node.key。',
  'A certificate or key file is there already.': '证书或私钥文件已经存在。',
  'Choose another folder, or pass --force to replace it (nodes of a replaced CA are no longer trusted).':
    '换一个目录，或者用 --force 替换它（CA 被替换后，原先的节点不再受信任）。',
  'The CA in the folder is missing or unusable.': '目录里的 CA 缺失或不可用。',
  'Make one with `tlshubctl pki init DIR`.': '用 `tlshubctl pki init DIR` 建立一个。',
  'A certificate or key could not be written.': '证书或私钥写不出来。',
  'Check the folder, its owner and the free space.': '检查该目录、其所有者和剩余空间。',
  'The running kernel lacks something that the gate or kernel TLS needs.':
    '正在运行的内核缺少闸门或内核 TLS 需要的功能。',
  'Run `tlshubctl check`: it lists what is missing, each with its remedy.':
    '运行 `tlshubctl check`：它列出缺少的每一项和处理办法。',
  'The native addon is not built, or cannot be loaded here: built for another processor or C library.':
    '原生插件没有编译，或者在这里无法加载：是为另一种处理器或 C 库编译的。',
  'Run `npm run build` in the checkout.': '在检出目录里运行 `npm run build`。',
  'The user may not do this.': '该用户无权这样做。',
  'Run it as root.': '以 root 运行。',
  'The memory for keys cannot be locked, so that the kernel may write it to swap. Connections are secured all the same.':
    '存放密钥的内存无法锁定，内核可能把它写到交换区。连接照常加密。',
  'Raise the limit on locked memory: `LimitMEMLOCK=infinity` in the unit, `--ulimit memlock=-1` for a container, or give the agent CAP_IPC_LOCK; or turn swap off.':
    '提高锁定内存的上限：unit 里用 `LimitMEMLOCK=infinity`，容器用 `--ulimit memlock=-1`，或者给代理 CAP_IPC_LOCK；也可以关闭交换区。',
  'The agent is coming up: the connections that were there before it have not been looked at yet.':
    '代理正在启动：还没有查看在它之前就已存在的连接。',
  'Wait: `tlshubctl status --ready --wait 60`.': '请等待：`tlshubctl status --ready --wait 60`。',
  'The key provider has no running thread: no connection can be secured.':
    '密钥提供者没有运行中的线程：任何连接都无法加密。',
  'Look at the log for why they ended, or use another provider: `tlshubctl mode set MODE`.':
    '从日志里看它们为何结束，或者换一个密钥提供者：`tlshubctl mode set MODE`。',
  'A thread that the agent cannot do without gives no sign of life: the gate takes the agent for dead.':
    '代理不可缺少的一个线程没有活动迹象：闸门认为代理已死。',
  'Give the agent processor time; if a thread stays silent, restart the agent and report its log.':
    '给代理足够的处理器时间；如果某个线程始终没有动静，重启代理并报告其日志。',
  'No guardian runs: blocking programs are refused instead of held.':
    '没有 guardian 在运行：阻塞的程序会被拒绝，而不是被扣住。',
  'It is started again by itself; the log says why that fails.': '它会自动重新启动；如果失败，日志说明原因。',
  'The source of the mapping has not been heard of for a while: the mapping may be out of date.':
    '映射的来源已有一段时间没有消息：映射可能已经过时。',
  'Check that the API server is reachable from this node, and what the service account may do.':
    '检查从本节点能否访问 API server，以及服务账号有哪些权限。',
  'The mapping has no address in it: there is no peer that connections could be secured to.':
    '映射里没有任何地址：没有可以建立加密连接的对端。',
  'Add lines `pod_name node_name address` to the file of pod_node_config, and run `tlshubctl reload`.':
    '在 pod_node_config 的文件里加上 `pod_name node_name address` 这样的行，再运行 `tlshubctl reload`。',
  'No cgroup matches a pattern of capture.cgroup: no program is captured by it.':
    'capture.cgroup 的一个模式没有匹配到任何 cgroup：没有程序因它被捕获。',
  'Make the cgroup (`mkdir PATH`) and start programs in it, or correct capture.cgroup.':
    '创建该 cgroup（`mkdir PATH`）并在其中启动程序，或者改正 capture.cgroup。',
  'A certificate expires within 30 days. From then on peers refuse this node.':
    '一张证书将在 30 天内过期。过期之后对端会拒绝本节点。',
  'Put a new certificate and key into the files of tls.cert and tls.key (`tlshubctl pki issue NODE --force` for a lab CA): a running agent takes them up (tls.watch, or `tlshubctl reload`).':
    '把新的证书和私钥放进 tls.cert 和 tls.key 的文件（实验 CA 用 `tlshubctl pki issue NODE --force`）：运行中的代理会自动采用（tls.watch，或 `tlshubctl reload`）。',
  "Every user of this node can read the node's private key, and with it be this node.":
    '本节点的任何用户都能读取节点私钥，从而冒充本节点。',
  'chmod 600 the file of tls.key (in Kubernetes: defaultMode of its secret).':
    '对 tls.key 的文件执行 chmod 600（Kubernetes 里是其 secret 的 defaultMode）。',
  'The key provider that `mode` names cannot be used here.': '`mode` 指定的密钥提供者在这里无法使用。',
  'Set `mode` to a provider that this build has.': '把 `mode` 设为本次编译包含的密钥提供者。',
  'The library or the threads of a key provider do not come up.': '密钥提供者的库或线程无法启动。',
  'The message names the cause; for a missing libssl.so.0 install the package android-libboringssl. A switch that fails changes nothing.':
    '消息里有原因；如果缺少 libssl.so.0，请安装软件包 android-libboringssl。切换失败不会改变任何东西。',
  'The calls of an addon reach another TLS library than the one it was made for; it refuses to run on a mixture.':
    '一个插件的调用落到了另一个 TLS 库上，而不是编译时所用的那个；它拒绝在混用的情况下运行。',
  'Run `npm run build` in the checkout, and do not preload TLS libraries (LD_PRELOAD) into the supervisor.':
    '在检出目录里运行 `npm run build`，并且不要向代理预加载 TLS 库（LD_PRELOAD）。',
  'Nobody answers on the netlink protocol of the TLSHub kernel module.': 'TLSHub 内核模块的 netlink 协议上没有人应答。',
  'Load the module (`modprobe tlshub`); netlink_protocol in capture.conf must be its number.':
    '加载模块（`modprobe tlshub`）；capture.conf 里的 netlink_protocol 必须是它的编号。',
  'The TLSHub kernel module did not answer a request in time.': 'TLSHub 内核模块没有及时答复请求。',
  "Look at the module's log (dmesg), and whether the peer node has the module loaded.":
    '查看模块的日志（dmesg），以及对端节点是否加载了模块。',
  'A reply of the TLSHub kernel module is malformed or does not answer the request.':
    'TLSHub 内核模块的答复格式不对，或者答非所问。',
  'The module is of another version than docs/TLSHUB_API.md describes.': '模块的版本与 docs/TLSHUB_API.md 描述的不同。',
  'The TLSHub kernel module could not complete its handshake with the peer node.':
    'TLSHub 内核模块无法与对端节点完成握手。',
  "Look at the module's log (dmesg) on both nodes.": '查看两个节点上模块的日志（dmesg）。',
  'The TLSHub kernel module had no key for the connection until its deadline.':
    '直到期限，TLSHub 内核模块都没有该连接的密钥。',
  'Check that the peer node runs in mode tlshub too, and its log.':
    '检查对端节点是否也以 tlshub 模式运行，并查看其日志。',
  'TLSHub names connections by IPv4 addresses, and this one has others.':
    'TLSHub 用 IPv4 地址标识连接，而这条连接用的是别的地址。',
  'Use IPv4 between these pods, or another mode.': '这些 Pod 之间请使用 IPv4，或者换一种模式。',
  'The mapping gives several nodes for an address, and out of band nothing shows which it is.':
    '映射为一个地址给出了多个节点，而带外方式无从分辨是哪一个。',
  'Give each address of the mapping one node, or use another mode.':
    '让映射里的每个地址只属于一个节点，或者换一种模式。',
  'A TLSHub client was used after it was closed.': 'TLSHub 客户端关闭之后又被使用。',
  'Make a new one.': '新建一个。',
  "A connection's secrets could not be kept, or were gone when its keys were to be set: the connection is refused.":
    '一条连接的秘密无法保存，或者在设置密钥时已经不在：该连接被拒绝。',
  'Secrets that nobody takes are wiped after a minute: look whether the installer stands still (`tlshubctl status -v`). If there is no memory, raise the limit of the agent (MemoryMax).':
    '无人取用的秘密在一分钟后清除：看安装线程是否停滞（`tlshubctl status -v`）。如果是内存不足，提高代理的上限（MemoryMax）。',
  'No supervisor listens on the control socket.': '控制套接字上没有代理在监听。',
  'Start one with `node dist/supervisor.js CONFIG`, or name its socket with --socket PATH.':
    '用 `node dist/supervisor.js CONFIG` 启动一个，或者用 --socket PATH 指定它的套接字。',
  'The supervisor took the request and did not answer in time.': '代理收到了请求，但没有及时答复。',
  "Look at the supervisor's log: it is stuck or overloaded.": '查看代理的日志：它卡住了，或者过载。',
  'A message on the control socket is malformed, too long, or of another protocol version.':
    '控制套接字上的一条消息格式不对、过长，或者属于另一个协议版本。',
  'Use the tlshubctl of the same release as the supervisor.': '使用与代理同一版本的 tlshubctl。',
  'The connection to the control socket ended before the answer came: the supervisor was stopped, or died.':
    '答复到来之前，与控制套接字的连接就断开了：代理被停止，或者死了。',
  'Look at its log, and ask again when it is back: `tlshubctl status --ready --wait 60`.':
    '查看其日志，等它恢复后再问：`tlshubctl status --ready --wait 60`。',
  'The supervisor does not know the requested operation.': '代理不认识所请求的操作。',
  'The arguments of a control operation have the wrong shape.': '控制操作的参数格式不对。',
  'See docs/CONTROL_PROTOCOL.md.': '见 docs/CONTROL_PROTOCOL.md。',
  'The control socket cannot be made where `control_socket` says.':
    '无法在 `control_socket` 给出的位置创建控制套接字。',
  'Give control_socket a short absolute path in a folder of its own with mode 0700.':
    '给 control_socket 一个较短的绝对路径，放在权限为 0700 的专用目录里。',
  'The supervisor does not take orders from this process: another user, or one in a captured cgroup.':
    '代理不接受这个进程的命令：它属于另一个用户，或者在被捕获的 cgroup 里。',
  'Run it as root on the host, outside the cgroups that capture.cgroup names.':
    '在主机上以 root 运行，并且不在 capture.cgroup 给出的 cgroup 里。',
  'The supervisor runs, but new connections may be refused; the message says why.':
    '代理在运行，但新连接可能被拒绝；消息说明了原因。',
  'Wait, or mend what the message names; `tlshubctl status` shows the whole picture.':
    '等待，或者修复消息指出的问题；`tlshubctl status` 给出全貌。',
  'The gate is not taken away, since an agent or its guardian still works on it.':
    '闸门没有撤除，因为代理或它的 guardian 还在使用它。',
  'Stop the supervisor first. If it was stopped or killed a moment ago, its guardian waits for another one, for guardian_grace_ms: --wait SECONDS waits with it.':
    '先停止代理。如果它刚刚被停止或杀死，它的 guardian 还会等待下一个代理，最多 guardian_grace_ms：--wait SECONDS 会一同等待。',
  'The gate is not taken away, since it is of another version: which connections need it cannot be told.':
    '闸门没有撤除，因为它属于另一个版本：无法判断哪些连接还需要它。',
  'Use the tlshubctl of the release that the dead agent was of.': '使用与死去的代理同一版本的 tlshubctl。',
  'The gate is not taken away, since connections that are not secured could not be ended before.':
    '闸门没有撤除，因为在此之前无法断开尚未加密的连接。',
  'Load tcp_diag (`modprobe tcp_diag`), or end the program that the message names, and run it again. New connections may go in plaintext already.':
    '加载 tcp_diag（`modprobe tcp_diag`），或者结束消息指出的程序，然后再运行一次。新连接可能已经走明文。',
  'The gate is gone, but its folder has something in it that no agent puts there.':
    '闸门已经撤除，但它的目录里还有不是代理放进去的东西。',
  'Look into the folder (bpf_pin_dir), and remove it by hand.': '查看该目录（bpf_pin_dir），并手工删除它。',
  'What was asked for does not exist.': '所要的东西不存在。',
  'List what there is, for example with `tlshubctl mapping list`.': '先列出有什么，例如 `tlshubctl mapping list`。',
  'The process or its descriptor was gone before the agent could take the socket.':
    '代理取得套接字之前，进程或它的描述符已经不在。',
  'Nothing to do: the program closed the connection or ended.': '无须处理：程序关闭了连接，或者已经结束。',
  'The socket already has an upper-layer protocol or TLS keys that are not ours.':
    '套接字上已有不属于本代理的上层协议（ULP）或 TLS 密钥。',
  'Keep programs that use kernel TLS themselves out of the captured cgroup.':
    '让自己使用内核 TLS 的程序不在被捕获的 cgroup 里运行。',
  'The connection was secured before; late news of it was taken for that of a new one.':
    '连接先前已经加密；关于它的迟到消息被误当成一条新连接的。',
  'Nothing to do: the connection is left alone.': '无须处理：该连接不受影响。',
  'A helper process did not come back from a system call on the socket and was given up; the gate refuses the connection at its deadline. The program keeps the call waiting: a file of its own FUSE mount, a lock that one of its threads holds, a device that does not answer.':
    '一个辅助进程没有从对该套接字的系统调用里返回，代理已放弃它；闸门在期限到时拒绝该连接。是程序让这个调用一直等待：它自己的 FUSE 挂载里的文件、它的某个线程占着的锁、不应答的设备。',
  'Look at the program and the cgroup that the log names. No other connection is concerned.':
    '查看日志指出的程序和 cgroup。其他连接不受影响。',
  'The cgroup of the program has as many lost helpers (TLSHUB_HELPER_LOST) as one may have: its connections are refused until one of them has ended.':
    '该程序所在的 cgroup 丢失的辅助进程（TLSHUB_HELPER_LOST）已达上限：在其中一个结束之前，它的连接都被拒绝。',
  'End the programs that the log names with TLSHUB_HELPER_LOST.': '结束日志里 TLSHUB_HELPER_LOST 指出的程序。',
  'The metrics files could not be written. There are none with this name, rather than incomplete ones.':
    '指标文件写不出来。宁可没有这个名字的文件，也不留下不完整的文件。',
  'Make room in metrics_dir, or set it to a folder that exists and can be written.':
    '在 metrics_dir 里腾出空间，或者把它设为存在并且可写的目录。',
  'The access log cannot be written, or not as fast as connections end. Connections are served all the same; lines that found no room in the buffer are dropped and counted (tlshub_access_log_lines_total).':
    '访问日志写不出来，或者写入慢于连接结束的速度。连接照常服务；缓冲区里放不下的行被丢弃并计数（tlshub_access_log_lines_total）。',
  'Make room on its file system, or set access_log to a file in a folder that exists and can be written; it is tried again every few seconds. If it is too slow, lower access_log_percent.':
    '在它的文件系统上腾出空间，或者把 access_log 设为存在并且可写的目录里的文件；每隔几秒会重试。如果太慢，调低 access_log_percent。',
  'The peer did not finish the handshake in time.': '对端没有及时完成握手。',
  'Check that an agent runs on the peer node, and its load; handshake_timeout_ms sets the limit, and overload_timeout_ms for a peer that has an agent.':
    '检查对端节点上是否有代理在运行，以及它的负载；handshake_timeout_ms 是期限，对有代理的对端则是 overload_timeout_ms。',
  'More connections are begun than this node can secure; this one would not have had its turn within overload_timeout_ms.':
    '发起的连接多于本节点能加密的数量；这一条在 overload_timeout_ms 内轮不到。',
  "Give the agent more processor time, or several workers (the provider's pool_size); tls.resumption makes handshakes cheaper. Look for a peer that begins too many.":
    '给代理更多处理器时间或更多工作线程（密钥提供者的 pool_size）；tls.resumption 让握手更便宜。查找发起过多连接的对端。',
  'The agent gave the handshake up: the program closed the connection, or the agent is draining.':
    '代理放弃了握手：程序关闭了连接，或者代理正在排空。',
  'Nothing to do.': '无须处理。',
  'The peer closed the connection during the handshake. Its end is what the program reads.':
    '对端在握手期间关闭了连接。程序读到的是连接结束。',
  "Look at the peer node's log for the same moment; both sides name the other and say why they refused.":
    '查看对端节点同一时刻的日志：两端都会写明对方是谁，以及为什么拒绝。',
  "The peer refused the TCP connection: nobody listens on that port, or a firewall answered. Nothing was wrong with the keys, and the program got the kernel's error.":
    '对端拒绝了 TCP 连接：该端口上没有人监听，或者是防火墙的应答。密钥没有任何问题，程序得到的是内核的错误。',
  'Start the server, or correct the port: `ss -ltn` on the peer node shows who listens.':
    '启动服务器，或者改正端口：在对端节点上用 `ss -ltn` 看谁在监听。',
  "The TCP connection was not made: the peer did not answer, or there is no route to it. Nothing was wrong with the keys, and the program got the kernel's error.":
    'TCP 连接没有建立：对端没有应答，或者没有到它的路由。密钥没有任何问题，程序得到的是内核的错误。',
  'Check address, route and firewall between the two nodes (`ip route get ADDRESS`), and that the peer is up.':
    '检查两个节点之间的地址、路由和防火墙（`ip route get ADDRESS`），以及对端是否在运行。',
  'The peer reset the connection during the handshake.': '对端在握手期间重置了连接。',
  "The peer's certificate is of another CA, expired, or does not carry a node name that the mapping allows.":
    '对端的证书由另一个 CA 签发、已过期，或者没有映射所允许的节点名。',
  'Compare the names in the message with the mapping, and the CA with tls.ca.':
    '把消息里的名字与映射对照，把 CA 与 tls.ca 对照。',
  'The peer did not accept our certificate.': '对端没有接受我们的证书。',
  'The peer does not speak TLS 1.3 the way an agent does.': '对端没有像代理那样使用 TLS 1.3。',
  'Check that the peer is captured too: an address in the mapping promises an agent on the other end.':
    '检查对端是否也被捕获：写进映射的地址意味着另一端有代理。',
  'The handshake failed inside the TLS library.': '握手在 TLS 库内部失败。',
  'The message carries the words of the library.': '消息里有该库的原话。',
  'One of two agents did not take the epoch that the other proposed: versions, names, limits, or it wants none.':
    '两个代理中的一个没有接受另一个提出的 epoch：版本、名字、上限不合，或者它不要。',
  'The message has the reason. Connections to that node are secured in-band meanwhile.':
    '消息里有原因。在此期间，到该节点的连接走带内握手。',
  'The session with another agent broke without a word, or nothing was heard from there any more. Its epoch is over.':
    '与另一个代理的会话无声地断开，或者不再有来自那里的消息。它的 epoch 随之结束。',
  "Check that the peer node's agent runs, and the network between the two. The next epoch is made by itself.":
    '检查对端节点的代理是否在运行，以及两者之间的网络。下一个 epoch 会自动建立。',
  "Another node's agent cannot be reached for a channel: nothing answers where it should be, or it is refused.":
    '无法为建立通道而到达另一个节点的代理：该在的地方没有应答，或者被拒绝。',
  'Check that the agent runs there with exchange = channel, that its address in node_endpoints is right, and that no firewall is in the way of its port (9466). Connections to that node are secured in-band meanwhile.':
    '检查那里的代理是否以 exchange = channel 运行，它在 node_endpoints 里的地址是否正确，以及是否有防火墙挡住它的端口（9466）。在此期间，到该节点的连接走带内握手。',
  "Other nodes' agents cannot come in for a channel: the address of channel_listen cannot be listened at.":
    '其他节点的代理无法进来建立通道：channel_listen 的地址无法监听。',
  'Set channel_listen to an address of this node and a free port (`ss -ltnp` says who has it), or to nothing. Until then connections that come from other nodes are secured in-band.':
    '把 channel_listen 设为本节点的一个地址和空闲端口（`ss -ltnp` 说明谁占用了它），或者设为空。在此之前，来自其他节点的连接走带内握手。',
  'The two ends of a connection had agreed on an epoch that this agent does not have any more: its session broke, or an earlier agent had it.':
    '一条连接的两端约定了一个 epoch，而本代理已经没有它：它的会话断开了，或者它属于之前的代理。',
  'Nothing, the program connects again. If it happens often, the log says why sessions with that node end.':
    '无须处理，程序会重新连接。如果经常发生，日志说明与该节点的会话为何结束。',
  'A connection came with a number that another one has had before: its keys would not be its own. The other node was told, and makes another epoch.':
    '一条连接带来的编号先前已被另一条用过：它的密钥就不再是它独有的。已通知另一个节点，它会建立新的 epoch。',
  'If it happens again, somebody on the way repeats or forges segments, or two copies of a virtual machine run at once.':
    '如果再次发生，说明途中有人重放或伪造报文段，或者同一个虚拟机的两份副本在同时运行。',
  'A connection was agreed on with a node that the mapping does not give for its address.':
    '与之约定连接的节点，不是映射为其地址给出的节点。',
  'Check that the mapping is the same on all nodes, and what translates addresses between them.':
    '检查各节点上的映射是否相同，以及它们之间有什么在转换地址。',
  'What the boot gate goes by could not be kept. After a reboot of this host it shuts what was kept before, or nothing: captured programs then speak plaintext to addresses that it does not know.':
    '启动闸门所依据的内容未能保存。主机重启之后，它按先前保存的内容关闭，或者什么都不关闭：对它不知道的地址，被捕获的程序会用明文通信。',
  'Make room in state_dir, or set it to a folder of root on the host that can be written; or set boot_policy = off if there is no boot gate here.':
    '在 state_dir 里腾出空间，或者把它设为主机上属于 root、可写的目录；如果这里没有启动闸门，设置 boot_policy = off。',
  'The file of otlp.headers_file or otlp.ca cannot be read, or a line of it is not what it should be.':
    'otlp.headers_file 或 otlp.ca 的文件读不出来，或者其中某一行不符合要求。',
  'Headers: one `name: value` a line, none twice. CAs: PEM certificates. Or set the key to nothing.':
    '头部：每行一个 `name: value`，不得重复。CA：PEM 证书。或者把该键留空。',
  'The collector of otlp.endpoint does not take what it is sent. Connections are served all the same; what is not taken in time is dropped and counted (tlshub_otlp_dropped_total).':
    'otlp.endpoint 的 collector 不接收发给它的内容。连接照常服务；未及时被接收的丢弃并计数（tlshub_otlp_dropped_total）。',
  'Look whether it runs and can be reached from this node, at otlp.endpoint and not through the mesh. Status 401 or 403: correct the token in otlp.headers_file. 404: its receiver for OTLP over HTTP is off, or has another path. A certificate: otlp.ca. It is tried again by itself.':
    '查看它是否在运行，从本节点能否经 otlp.endpoint 到达它，并且不经过网格。状态码 401 或 403：更正 otlp.headers_file 里的令牌。404：它的 OTLP over HTTP 接收器没有打开，或者路径不同。证书问题：otlp.ca。代理会自己重试。',
};
