/** Can this kernel encrypt with the ciphers that the settings name? To be known before the first program waits for it. */
import { KernelUnsupportedError, asTlshubError } from '../../shared/errors/errors.js';
import type { KernelAddon } from '../../shared/kernel/kernel-addon.js';
import type { CipherName } from '../../shared/kernel/words.js';

/** @throws KernelUnsupportedError (exit status 69) */
export function tryCiphers(addon: Pick<KernelAddon, 'tryCipher'>, ciphers: readonly CipherName[]): void {
  const failures = ciphers.flatMap((cipher) => {
    try {
      addon.tryCipher(cipher);
      return [];
    } catch (error) {
      return [{ cipher, error: asTlshubError(error) }];
    }
  });
  const [first] = failures;
  if (first === undefined) return;
  throw new KernelUnsupportedError(
    failures.map(({ cipher }) => `kernel TLS with ${cipher}`),
    {
      cause: first.error,
      remedy: `Take it out of tls.ciphers, or load what the kernel needs for it (\`modprobe tls\`, and the modules of the cipher); it says: ${first.error.message}`,
    },
  );
}
