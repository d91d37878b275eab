// SPDX-License-Identifier: Apache-2.0
/** Files that are made from tables in the code, so that they cannot drift: config/capture.conf, and docs/ERRORS.md in both languages. configuration.ts has others. */
import { KEY_NAMES, environmentName, keySpec, type KeyName } from '../src/config/keys.js';
import { ERROR_CATALOG } from '../src/shared/errors/catalog.js';
import { inLanguage, type Language } from './language.js';

/** Keys of the original program: shown set, so that the file is a working example; all others are shown with their default. */
const ACTIVE: readonly KeyName[] = ['mode', 'pod_node_config', 'netlink_protocol', 'log_level', 'verbose'];

const WIDTH = 100;

function wrapComment(text: string): string {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}

/** `#key = value` (no blank after the #) is a key at its default; the unit test reads them back. */
export function renderCaptureConf(): string {
  const parts = [
    wrapComment(
      'Configuration of the TLSHub node agent: `key = value` lines, # comments. This file lists every key with its default.',
    ),
    wrapComment(
      'Each can also be set by the environment, TLSHUB_ and the key in capitals with dots as underscores (TLSHUB_OPENSSL_POOL_SIZE for openssl.pool_size), which goes before this file.',
    ),
  ];
  for (const name of KEY_NAMES) {
    const { format, default: fallback, doc, defaultNote } = keySpec(name);
    const value = defaultNote === undefined ? format.encode(fallback) : `(${defaultNote})`;
    const setting = `${name} = ${value}`.trimEnd();
    const active = ACTIVE.includes(name) && defaultNote === undefined;
    // A default that differs from host to host is prose, not a setting.
    const lead = active ? '' : defaultNote === undefined ? '#' : '# default: ';
    parts.push(`\n${wrapComment(doc)}\n${wrapComment(`Allowed: ${format.allowed}.`)}\n${lead}${setting}`);
  }
  return `${parts.join('\n')}\n`;
}

const ERRORS_HEAD: Record<Language, string> = {
  en: `# Error codes

[中文](zh/ERRORS.md)

Made from \`src/shared/errors/catalog/\` by \`node build/tools/docs.js\`; do not edit.

Every failure has a stable code. It is in the log, in the \`code\` of a flow, and in the answer of the control socket. The exit status is that of a
command that ends with it: 1 failed, 64 usage, 69 the kernel cannot do it, 77 not permitted, 78 configuration. Messages about files begin with
\`file:line: key:\`; for a setting that came from the environment the file is \`environment\` and the key the variable's name, such as
\`${environmentName('log_level')}\`.

| code | exit status | meaning | what to do |`,
  zh: `# 错误码

[English](../ERRORS.md)

由 \`node build/tools/docs.js\` 根据 \`src/shared/errors/catalog/\` 和 \`tools/zh/\` 生成，请勿手工修改。

每种失败都有固定的错误码：在日志里，在连接的 \`code\` 里，也在控制套接字的答复里。退出状态是命令以该错误结束时的状态：1 失败，64 用法错误，69 内核做不到，77 无权限，
78 配置错误。关于文件的消息以 \`file:line: key:\` 开头；设置来自环境变量时，文件是 \`environment\`，键是变量名，例如 \`${environmentName('log_level')}\`。
消息和 \`tlshubctl explain CODE\` 用英文。

| 错误码 | 退出状态 | 含义 | 处理办法 |`,
};

export function renderErrors(language: Language): string {
  const rows = Object.entries(ERROR_CATALOG).map(([code, { exitCode, meaning, remedy }]) => {
    const [what, todo] = [meaning, remedy].map((text) => inLanguage(language, text));
    return `| \`${code}\` | ${exitCode} | ${what} | ${todo} |`;
  });
  return `${ERRORS_HEAD[language]}
|---|---|---|---|
${rows.join('\n')}
`;
}
