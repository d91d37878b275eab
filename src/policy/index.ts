export {
  decide,
  policyOf,
  type Decision,
  type FlowAddresses,
  type FlowClass,
  type PeerNodes,
  type Policy,
  type PolicyKeys,
} from './decide.js';
export { isLocal, meshForGate, policyForGate } from './for-gate.js';
export { MAX_RULES, RULE_SYNTAX, RuleTable, parseRule, type Rule, type RuleAction } from './rules.js';
