import { ExaiError } from "../base/errors.ts";
import type { Settings } from "../config/settings.ts";

/** What decides who can reach the daemon, and what stops them. */
export type ExposureSettings = Pick<Settings, "host" | "token" | "tlsCert">;

/**
 * Refuses an address other machines can reach, unless nobody gets in without the token and nobody can read it on the
 * way.
 *
 * @throws {ExaiError} `CONFIG` with what is missing
 */
export function checkExposure({ host, token, tlsCert }: ExposureSettings): void {
  if (isLoopback(host)) return;
  const missing = [
    ...(token === "" ? ["a token (EXAI_WS_TOKEN=auto)"] : []),
    ...(tlsCert === "" ? ["TLS (EXAI_TLS_CERT and EXAI_TLS_KEY; exai-daemon certs makes them)"] : []),
  ];
  if (missing.length === 0) return;
  throw new ExaiError(
    "CONFIG",
    `EXAI_WS_HOST is ${host}, which other machines can reach: that needs ${missing.join(" and ")}; ` +
      "or set EXAI_WS_HOST to 127.0.0.1",
  );
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}
