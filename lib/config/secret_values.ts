import { registerSecret } from "../base/log.ts";
import { MIB } from "../base/units.ts";

const SECRET_NAME = /TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|_PAT$/i;
const MIN_SECRET_CHARS = 8;
/** A longer value is a document, and looking for it in each line would cost too much. */
const MAX_SECRET_CHARS = MIB / 16;

/** Whether a variable or header of this name usually holds a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** Keeps `value` out of the logs, unless it is so short that it would hide ordinary words. */
export function keepSecret(value: string): string {
  if (value.length >= MIN_SECRET_CHARS && value.length <= MAX_SECRET_CHARS) registerSecret(value);
  return value;
}

/**
 * Keeps `value` out of the logs when `name` is that of a secret: servers print their environment and repeat headers in
 * their errors.
 */
export function keepNamedSecret(name: string, value: string): void {
  if (!SECRET_NAME.test(name)) return;
  keepSecret(value);
  // Without the scheme before it, as in "Bearer TOKEN".
  const bare = /^[A-Za-z]+ +(\S+)$/.exec(value)?.[1];
  if (bare) keepSecret(bare);
}
