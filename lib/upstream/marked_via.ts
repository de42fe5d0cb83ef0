import type { ServerConfig } from "../config/server_config.ts";
import { formatVia, VIA_HEADER, VIA_VARIABLE } from "../wire/via.ts";

/**
 * `config` with the daemons by which its server is started or reached. As part of what the server gets it is part of
 * its share key: what another daemon does here must not be led back to it under our name.
 */
export function markedVia<T extends ServerConfig>(config: T, via: readonly string[]): T {
  if (via.length === 0) return config;
  return config.kind === "stdio"
    ? { ...config, env: { ...config.env, [VIA_VARIABLE]: formatVia(via) } }
    : { ...config, headers: { ...config.headers, [VIA_HEADER]: formatVia(via) } };
}
