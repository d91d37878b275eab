export { parseListenAddress, type ListenAddress } from './listen-address.js';
export { startHealthServer, type HealthServer, type HealthServerOptions } from './server.js';
