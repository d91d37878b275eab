/**
 * From TLSHub's master key to the two traffic secrets of one connection. docs/TLSHUB_API.md has it with test vectors.
 *
 * A module may give the same master key for a tuple that comes again within seconds. The initial sequence numbers in the salt make the
 * secrets of each connection its own: without them a tuple that is used again would use key and nonces again. Everything that both ends
 * must agree on is in salt or info, so that a difference shows as records that cannot be opened.
 */
import { cipherHash, hashLength, hkdfExpand, hkdfExtract } from '../tls/key-schedule.js';
import type { CipherName } from '../shared/kernel/words.js';

/** What both ends know of a connection. */
export interface ConnectionNames {
  /** 4 bytes, network order */
  clientAddress: Uint8Array;
  serverAddress: Uint8Array;
  clientPort: number;
  serverPort: number;
  /** initial sequence numbers of TCP (RFC 9293, 3.4.1): of the SYN and of the SYN-ACK */
  clientIsn: number;
  serverIsn: number;
  cipher: CipherName;
  /** names of the nodes, as in the Pod-Node mapping */
  clientNode: string;
  serverNode: string;
}

/** Secrets in the place of TLS 1.3's client_ and server_application_traffic_secret_0 (RFC 8446, 7.1). Whoever has them wipes them. */
export interface TrafficSecrets {
  /** of what the client sends */
  clientSecret: Buffer;
  /** of what the server sends */
  serverSecret: Buffer;
}

const LABEL = 'tlshub-ebpf traffic v1';

/** A text with its length in front, so that no two lists of texts give the same bytes. */
function field(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > 255) throw new RangeError(`"${text.slice(0, 60)}..." is longer than 255 bytes`);
  return Buffer.concat([Uint8Array.of(bytes.length), bytes]);
}

/** Addresses, ports and initial sequence numbers, the client's first: 20 bytes, network order. */
export function connectionSalt(names: ConnectionNames): Buffer {
  const numbers = Buffer.alloc(12);
  numbers.writeUInt16BE(names.clientPort, 0);
  numbers.writeUInt16BE(names.serverPort, 2);
  numbers.writeUInt32BE(names.clientIsn, 4);
  numbers.writeUInt32BE(names.serverIsn, 8);
  for (const address of [names.clientAddress, names.serverAddress]) {
    if (address.length !== 4) throw new RangeError('an IPv4 address has 4 bytes');
  }
  return Buffer.concat([names.clientAddress, names.serverAddress, numbers]);
}

/**
 * HKDF (RFC 5869) with the hash of the cipher.
 * @param masterKey 32 bytes; stays the caller's, who wipes it
 * @throws RangeError for a key or names of the wrong length
 */
export function deriveTrafficSecrets(masterKey: Uint8Array, names: ConnectionNames): TrafficSecrets {
  if (masterKey.length !== 32) throw new RangeError(`a master key has 32 bytes, not ${masterKey.length}`);
  const hash = cipherHash(names.cipher);
  const pseudorandomKey = hkdfExtract(hash, connectionSalt(names), masterKey);
  const secret = (direction: string): Buffer => {
    const info = [LABEL, direction, names.cipher, names.clientNode, names.serverNode].map(field);
    return hkdfExpand(hash, pseudorandomKey, Buffer.concat(info), hashLength(hash));
  };
  try {
    return { clientSecret: secret('client to server'), serverSecret: secret('server to client') };
  } finally {
    pseudorandomKey.fill(0);
  }
}
