// SPDX-License-Identifier: Apache-2.0
/**
 * docs/CONFIGURATION.md and its Chinese twin: the keys from the schema, and around them (configuration-page.ts, in both languages) what cannot be
 * said of one key alone.
 */
import { KEY_NAMES, environmentName, keySpec, type KeyName } from '../src/config/keys.js';
import { parseConfig } from '../src/config/load.js';
import { MAX_RULES } from '../src/policy/rules.js';
import { MAX_SCOPES } from '../src/config/cgroup-pattern.js';
import { MAX_LINE_BYTES } from '../src/shared/files/text-file.js';
import { configurationPage } from './configuration-page.js';
import { inLanguage, type Language } from './language.js';
import { configurationPage as chinesePage } from './zh/configuration-page.js';

type Title = Record<Language, string>;

/** Headings with what the names of their keys begin with. */
const GROUPS: readonly (readonly [title: Title, prefixes: readonly string[]])[] = [
  [{ en: 'This node, and what is captured', zh: '本节点与捕获范围' }, ['node_name', 'capture.', 'bpf_pin_dir']],
  [{ en: 'Mapping', zh: '映射' }, ['pod_', 'kubernetes.']],
  [{ en: 'Policy', zh: '策略' }, ['policy', 'marker', 'revoke_on_reload']],
  [{ en: 'Providers and certificates', zh: '密钥提供者与证书' }, ['mode', 'tls.', 'keylog_file']],
  [{ en: 'Pools', zh: '线程池' }, ['openssl.', 'boringssl.']],
  [{ en: 'TLSHub', zh: 'TLSHub' }, ['tlshub.', 'netlink_protocol']],
  [{ en: 'Deadlines', zh: '期限' }, ['handshake_timeout_ms', 'hold', 'silent_peer_timeout_ms', 'drain_timeout_ms']],
  [{ en: 'If the agent dies', zh: '代理死亡时' }, ['lease_ms', 'guardian']],
];

const REST: Title = { en: 'Operating', zh: '运行' };

const WORDS = {
  en: {
    columns: '| key | what it does | allowed | default | reload |',
    nothing: 'nothing',
    reloaded: 'yes',
    restart: (why: string) => `restart: ${why}`,
  },
  zh: {
    columns: '| 键 | 作用 | 允许的值 | 默认值 | 重新加载 |',
    nothing: '空',
    reloaded: '是',
    restart: (why: string) => `需重启：${why}`,
  },
} as const satisfies Record<Language, unknown>;

function groupOf(key: KeyName): Title {
  const group = GROUPS.find(([, prefixes]) => prefixes.some((prefix) => key.startsWith(prefix)));
  return group?.[0] ?? REST;
}

/** A cell of a table: what Markdown would take for its own is escaped, but in code, where only a bar would be. */
const cell = (text: string): string =>
  text
    .split(/(`[^`]*`)/)
    .map((part, i) => part.replaceAll(i % 2 === 0 ? /[|*<]/g : '|', '\\$&'))
    .join('');

function row(key: KeyName, language: Language): string {
  const { format, default: fallback, doc, defaultNote, restart } = keySpec(key);
  const words = WORDS[language];
  const say = (english: string): string => inLanguage(language, english);
  const text = format.encode(fallback);
  const unit = format.unit === undefined ? '' : ` ${say(format.unit)}`;
  const value = defaultNote === undefined ? (text === '' ? words.nothing : `\`${text}\`${unit}`) : say(defaultNote);
  const reload = restart === undefined ? words.reloaded : words.restart(say(restart));
  return `| ${[`\`${key}\``, say(doc), say(format.allowed), value, reload].map(cell).join(' | ')} |`;
}

function tables(language: Language): string {
  const titles = [...GROUPS.map(([title]) => title), REST];
  return titles
    .map((title) => {
      const keys = KEY_NAMES.filter((key) => groupOf(key) === title);
      const head = `${WORDS[language].columns}\n| --- | --- | --- | --- | --- |`;
      return `### ${title[language]}\n\n${head}\n${keys.map((key) => row(key, language)).join('\n')}\n`;
    })
    .join('\n');
}

function sampleError(): string {
  try {
    parseConfig('policy = stric', 'capture.conf');
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('"stric" has become a policy');
}

export function renderConfiguration(language: Language): string {
  const restarts = KEY_NAMES.filter((key) => keySpec(key).restart !== undefined).map((key) => `\`${key}\``);
  const page = language === 'en' ? configurationPage : chinesePage;
  return page({
    maxLineBytes: MAX_LINE_BYTES,
    maxRules: MAX_RULES,
    maxScopes: MAX_SCOPES,
    environmentOf: environmentName,
    sampleError: sampleError(),
    restarts: restarts.join(language === 'en' ? ', ' : '、'),
    tables: tables(language),
  });
}
