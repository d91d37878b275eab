export {
  decide,
  type Decision,
  type FlowAddresses,
  type FlowClass,
  type PeerNodes,
  type PolicyRules,
} from './decide.js';
