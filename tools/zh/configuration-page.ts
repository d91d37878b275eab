// SPDX-License-Identifier: Apache-2.0
/** docs/zh/CONFIGURATION.md, all but the tables of keys: the twin of configuration-page.ts. */
import type { Facts } from '../configuration-page.js';

export const configurationPage = (facts: Facts): string => `# 配置

[English](../CONFIGURATION.md)

由 \`node build/tools/docs.js\` 根据 \`src/config/keys.ts\` 和 \`tools/zh/\` 生成，请勿手工修改。

代理读取 \`capture.conf\`（\`node dist/supervisor.js [CONFIG]\`，不写时为 \`/etc/tlshub/capture.conf\`）、其中指定的 Pod-Node 映射，以及证书。
[config/capture.conf](../../config/capture.conf) 列出全部键及其默认值。

## 文件

\`\`\`ini
# 节点 node-a 的 /etc/tlshub/capture.conf
mode = openssl
node_name = node-a
capture.cgroup = /sys/fs/cgroup/tlshub.slice
pod_node_config = pod_node_mapping.conf      # 在本文件旁边
tls.cert = pki/node-a.crt
tls.key = pki/node-a.key
policy = strict
policy_exclude = :53, 10.0.0.0/8:9100        # DNS，以及该网络里服务器的指标
\`\`\`

- UTF-8 文本，每行一个 \`key = value\`：值是第一个 \`=\` 之后的内容，去掉首尾空白。\`#\` 在行首或空白之后开始注释。接受 CRLF 和字节顺序标记；不接受控制字符，也不接受超过
  ${facts.maxLineBytes} 字节的行。
- 没有写的键取默认值。不存在的键、设置了两次的键、不允许的值都是错误。
- 相对路径以文件所在目录为准（\`metrics_dir\` 以代理的工作目录为准）。
- 环境变量优先于文件：\`tls.ca\` 对应 \`${facts.environmentOf('tls.ca')}\`，\`log_level\` 对应 \`${facts.environmentOf('log_level')}\`。用的是代理启动时的环境，重新加载时也一样。
- 错误会指出文件、行号、键和允许的内容：\`${facts.sampleError}\`。启动时代理以退出状态 78
  结束；重新加载时一切照旧。值来自环境变量时，文件是 \`environment\`，键是变量名。

键与键之间：\`handshake_timeout_ms\` 和 \`silent_peer_timeout_ms\` 不大于 \`hold_timeout_ms\`；同一条规则不能既在 \`policy_exclude\` 又在 \`policy_require\` 里，
两者合计最多 ${facts.maxRules} 条；\`capture.cgroup\` 的任何路径都不在另一个路径之内。

## 策略规则

\`policy_exclude\` 和 \`policy_require\` 是列表，以逗号或空格分隔。

| 形式 | 连接 |
| --- | --- |
| \`10.96.0.10\`、\`10.0.0.0/8\`、\`fd00::/8\` | 任意一端在其中，不限端口 |
| \`:53\` | 到使用该端口的服务器 |
| \`10.0.0.0/8:9100\`、\`[fd00::/8]:443\` | 到其中使用该端口的服务器 |

最长前缀优先，其次是带端口的规则，再次是 \`policy_require\`。完整的判断过程见 [POLICY.md](POLICY.md)。

## Cgroup

\`capture.cgroup\` 给出 cgroup2 层级里的目录；捕获的总是一个目录及其下的一切。

| 模式 | 捕获 |
| --- | --- |
| \`/sys/fs/cgroup/tlshub.slice\` | 这一个；尚不存在时等待它出现 |
| \`/sys/fs/cgroup/kubepods.slice/**\` 或 \`/*\` | \`/sys/fs/cgroup/kubepods.slice\` |
| \`/sys/fs/cgroup/web.slice/web-*.service\` | 每个匹配的目录；最多 ${facts.maxScopes} 个，超过时整个捕获 \`/sys/fs/cgroup/web.slice\` |

cgroup 的程序会继承：在被捕获的目录之下创建的 cgroup，从存在的那一刻起就被捕获。**要靠模式才能发现的、或者等来的 cgroup 则不是。** 代理看到它出现（inotify），在主线程
下一次得到执行时捕获它；通知丢失时最迟在 5 秒之后。在此之前，它的程序没有被捕获，发出的数据是明文，发往网格的也是（被捕获的对端不读就拒绝）。
此后，先前建立的到网格的连接在下一次调用时被拒绝，监听套接字的后续连接被捕获。在意这一点的话，请写上一级目录，这样就没有什么要等待的。

## Pod-Node 映射

\`\`\`conf
# Pod 名       节点名      [地址或 CIDR ...]
nginx-pod    node-a     10.77.0.1 fd77::1
shop/web-1   node-b     10.77.0.2 10.78.2.0/24
redis-pod    node-b
# 服务名       地址或 CIDR ...  ->  [Pod 名 | @节点名 ...]
shop/web     10.96.0.10 fd96::10 -> shop/web-1 @node-c
\`\`\`

- 地址写在其中，就属于网格：来往的连接要么加密，要么被拒绝，证书必须带有该节点的名字。
- 包含一个地址的最长前缀优先。几个 Pod 可以列出同一个前缀：此时其中任何一个节点都可以是对端。一个 Pod 只列一次。
- **服务**是一个地址，在途中被转换成几个 Pod 之一。它的行有一个箭头：名字、地址、\`->\`，然后是它背后的对象，即上面各行里的 Pod，或者写成 \`@node\` 的节点。
  到它的连接要加密，其中任何一个节点都可以应答，\`tlshubctl flows\` 显示实际应答的那个（NODE；POD 一栏是服务）。Pod 仍写在自己的行里，因为对方看到的是 Pod 的地址。箭头后面
  为空时，服务没有端点：到它的连接被拒绝（\`TLSHUB_PEER_UNKNOWN\`），\`permissive\` 下也一样。一个地址要么属于 Pod，要么属于服务，不能兼有；几个服务可以共用一个地址。
- 错误会指出文件和行号；文件要么整个采用，要么完全不采用。它在启动时和重新加载时读取。
- \`pod_source = kubernetes\` 时，映射是集群里的 Pod 和 Service，随其增减而变化；不读取文件（[INTEGRATION_GUIDE](INTEGRATION_GUIDE.md#services)）。

## 重新加载

\`tlshubctl reload\`，或者 SIGHUP（\`systemctl reload tlshub\` 执行前者）。更换模式、集群通知的映射变化，也以同样的方式生效，一次一个（\`src/supervisor/settings/reload.ts\`）：

1. 读取并检查一切：配置、证书（有效、彼此匹配、带有本节点的名字）、映射。可能失败的事都在这一步做完：库、证书或线程池有变化时启动新的密钥提供者，捕获新的 cgroup，
   把新地址写入内核。到此为止无论哪里出错，都会撤销，一切照旧：错误是 \`tlshubctl reload\` 的答复，也在日志里；在下一次重新加载成功之前，\`tlshubctl status\` 也显示它。
2. 在主线程的同一轮里切换一切。在内核里，策略和规则各有两份，由一个字说明用哪一份：没有任何连接按两者的混合来判断。
3. 清除不再需要的：地址、cgroup，以及完成了手头工作的旧密钥提供者。日志为每处差别写一行 \`changed: ...\`，\`tlshubctl reload\` 打印同样的行。

- 新连接按新设置处理。被扣住的连接按它开始时的策略和映射判断，并由开始时的密钥提供者完成。连接的消息可能在切换之后才到，所以代理保留最近一分钟的设置（最多八份）。
- 已经加密的、已放行走明文的连接不受影响。\`revoke_on_reload = true\` 时，新的策略或映射所禁止的连接会被断开：已加密但其对端节点不再是该地址的节点，或者现在应当拒绝；
  走明文但现在应当加密或拒绝。
- 下列键在代理重新启动之前保持原值，日志会说明，\`status\` 会列出：${facts.restarts}。
- 用 \`tlshubctl mode set\` 设置的模式不在文件里：下一次重新加载以文件为准。
- 重新加载进行中提出的请求，由其后开始的一次来满足。正在关闭的代理会拒绝。

## 键

“是”：重新加载使其生效。

${facts.tables}`;
