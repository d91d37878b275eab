/** Words that more than one addon uses. */

export type Role = 'active' | 'passive';
/** TLS libraries that there is an addon of. */
export type TlsLibrary = 'openssl' | 'boringssl';
export type CipherName = 'TLS_AES_128_GCM_SHA256' | 'TLS_AES_256_GCM_SHA384' | 'TLS_CHACHA20_POLY1305_SHA256';
