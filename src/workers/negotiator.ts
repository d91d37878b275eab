/** The worker of the OpenSSL provider's pool. */
import { workerData } from 'node:worker_threads';
import { openssl } from '../shared/native.js';
import { hostNegotiations, type NegotiatorData } from './negotiation-host.js';

export default hostNegotiations(openssl(), workerData as NegotiatorData);
