export { compareConfigs, withMode, withRunning, type ConfigChange } from './changes.js';
export { loadConfig, parseConfig, type Environment } from './load.js';
export type { Config } from './schema.js';
export { KEY_NAMES, environmentName, keySpec, type KeyName } from './keys.js';
