export {
  createLogger,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  type LogStream,
} from './logger.js';
export { createThrottle, type Throttle, type ThrottleOptions } from './throttle.js';
