// SPDX-License-Identifier: Apache-2.0
/** All situations, in the order of the table. */
import type { Situation } from '../situation.js';
import { BROKERS } from './brokers.js';
import { CLIENTS } from './clients.js';
import { DATABASES } from './databases.js';
import { LANGUAGES } from './languages.js';
import { NAMES } from './names.js';
import { PROXIES } from './proxies.js';
import { SERVERS } from './servers.js';
import { TRANSFERS } from './transfers.js';
import { WRAPPERS } from './wrappers.js';

export interface Kind {
  title: { en: string; zh: string };
  situations: readonly Situation[];
}

export const KINDS: readonly Kind[] = [
  { title: { en: 'Web servers', zh: 'Web 服务器' }, situations: SERVERS },
  { title: { en: 'HTTP clients', zh: 'HTTP 客户端' }, situations: CLIENTS },
  { title: { en: 'Proxies and relays', zh: '代理与转发' }, situations: PROXIES },
  { title: { en: 'Databases, caches and pools', zh: '数据库、缓存与连接池' }, situations: DATABASES },
  { title: { en: 'Brokers, queues, logs and measuring', zh: '消息、队列、日志与测量' }, situations: BROKERS },
  { title: { en: 'Files, shells and version control', zh: '文件、远程 shell 与版本控制' }, situations: TRANSFERS },
  { title: { en: 'Mail, names and directories', zh: '邮件、名字与目录' }, situations: NAMES },
  { title: { en: 'Languages', zh: '编程语言' }, situations: LANGUAGES },
  { title: { en: 'Plain pipes, super servers and parents', zh: '管道、超级服务器与父进程' }, situations: WRAPPERS },
];

export const SITUATIONS: readonly Situation[] = KINDS.flatMap(({ situations }) => situations);
