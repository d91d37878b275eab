export { MAX_SCOPES, checkPattern } from './pattern.js';
export { Scope, planScope, type PreparedScope, type ScopeGate, type ScopePlan } from './scope.js';
