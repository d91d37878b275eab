/** The worker of an in-band provider's pool. */
import { workerData } from 'node:worker_threads';
import { handshakeAddon } from '../shared/native.js';
import { hostNegotiations, type NegotiatorData } from './negotiation-host.js';

const data = workerData as NegotiatorData;

export default hostNegotiations(handshakeAddon(data.library), data);
