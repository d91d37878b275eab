// SPDX-License-Identifier: Apache-2.0
/** The handshake with the peer. */
import { EXIT, type ErrorEntry } from './entry.js';

const PEER_REMEDY =
  "Look at the peer node's log for the same moment; both sides name the other and say why they refused.";

export const HANDSHAKE_ERRORS = {
  TLSHUB_HANDSHAKE_TIMEOUT: {
    exitCode: EXIT.failed,
    meaning: 'The peer did not finish the handshake in time.',
    remedy:
      'Check that an agent runs on the peer node, and its load; handshake_timeout_ms sets the limit, and overload_timeout_ms for a peer that has an agent.',
  },
  TLSHUB_OVERLOAD: {
    exitCode: EXIT.failed,
    meaning:
      'More connections are begun than this node can secure; this one would not have had its turn within overload_timeout_ms.',
    remedy:
      "Give the agent more processor time, or several workers (the provider's pool_size); tls.resumption makes handshakes cheaper. Look for a peer that begins too many.",
  },
  TLSHUB_HANDSHAKE_CANCELLED: {
    exitCode: EXIT.failed,
    meaning: 'The agent gave the handshake up: the program closed the connection, or the agent is draining.',
    remedy: 'Nothing to do.',
  },
  TLSHUB_PEER_CLOSED: {
    exitCode: EXIT.failed,
    meaning: 'The peer closed the connection during the handshake. Its end is what the program reads.',
    remedy: PEER_REMEDY,
  },
  TLSHUB_TCP_REFUSED: {
    exitCode: EXIT.failed,
    meaning:
      "The peer refused the TCP connection: nobody listens on that port, or a firewall answered. Nothing was wrong with the keys, and the program got the kernel's error.",
    remedy: 'Start the server, or correct the port: `ss -ltn` on the peer node shows who listens.',
  },
  TLSHUB_TCP_UNREACHABLE: {
    exitCode: EXIT.failed,
    meaning:
      "The TCP connection was not made: the peer did not answer, or there is no route to it. Nothing was wrong with the keys, and the program got the kernel's error.",
    remedy:
      'Check address, route and firewall between the two nodes (`ip route get ADDRESS`), and that the peer is up.',
  },
  TLSHUB_PEER_RESET: {
    exitCode: EXIT.failed,
    meaning: 'The peer reset the connection during the handshake.',
    remedy: PEER_REMEDY,
  },
  TLSHUB_PEER_CERTIFICATE: {
    exitCode: EXIT.failed,
    meaning: "The peer's certificate is of another CA, expired, or does not carry a node name that the mapping allows.",
    remedy: 'Compare the names in the message with the mapping, and the CA with tls.ca.',
  },
  TLSHUB_PEER_REFUSED_US: {
    exitCode: EXIT.failed,
    meaning: 'The peer did not accept our certificate.',
    remedy: PEER_REMEDY,
  },
  TLSHUB_PEER_PROTOCOL: {
    exitCode: EXIT.failed,
    meaning: 'The peer does not speak TLS 1.3 the way an agent does.',
    remedy: 'Check that the peer is captured too: an address in the mapping promises an agent on the other end.',
  },
  TLSHUB_HANDSHAKE_FAILED: {
    exitCode: EXIT.failed,
    meaning: 'The handshake failed inside the TLS library.',
    remedy: 'The message carries the words of the library.',
  },
} as const satisfies Record<string, ErrorEntry>;
