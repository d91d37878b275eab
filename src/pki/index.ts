export { initCa, issueNode, type CaOptions, type Issued, type Validity } from './pki.js';
