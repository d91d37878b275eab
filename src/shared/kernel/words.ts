// SPDX-License-Identifier: Apache-2.0
/** Words that more than one addon uses. */

export type Role = 'active' | 'passive';
/** TLS libraries that there is an addon of. */
export type TlsLibrary = 'openssl' | 'boringssl';
/**
 * A secret in the memory that all addons share (native/domain/secrets/memory.h): what JavaScript has of it. Whoever is given one hands it on or
 * discards it; a native function that takes it uses it up.
 */
export type SecretHandle = number;
export type CipherName = 'TLS_AES_128_GCM_SHA256' | 'TLS_AES_256_GCM_SHA384' | 'TLS_CHACHA20_POLY1305_SHA256';
