import { ExaiError } from "../base/errors.ts";
import { addressBytes, isLoopback } from "../base/ip_address.ts";
import type { Settings } from "../config/settings.ts";
import type { PeerUsers } from "../transport/peer_user.ts";

/** The settings that decide who can reach the daemon, and what protects it. */
export type ExposureSettings = Pick<Settings, "host" | "token" | "tlsCert">;

/**
 * Rejects an address that other machines can reach, unless a token and TLS are configured.
 *
 * @throws {ExaiError} `CONFIG` with what is missing
 */
export function checkExposure(settings: ExposureSettings): void {
  const { host } = settings;
  if (host.toLowerCase() !== "localhost" && !isLoopbackAddress(host)) rejectExposed(host, settings);
}

/**
 * {@linkcode checkExposure} for the address that is bound: the hosts file of the machine may map `localhost` to any
 * address.
 *
 * @throws {ExaiError} `CONFIG` with what is missing
 */
export function checkBoundAddress(address: string, settings: ExposureSettings): void {
  if (!isLoopbackAddress(address)) rejectExposed(`${settings.host} (here ${address})`, settings);
}

function rejectExposed(shown: string, { token, tlsCert }: ExposureSettings): void {
  const missing = [
    ...(token === "" ? ["a token (EXAI_WS_TOKEN=auto)"] : []),
    ...(tlsCert === "" ? ["TLS (EXAI_TLS_CERT and EXAI_TLS_KEY; exai-daemon certs makes them)"] : []),
  ];
  if (missing.length === 0) return;
  throw new ExaiError(
    "CONFIG",
    `EXAI_WS_HOST is ${shown}, which other machines can reach: that needs ${missing.join(" and ")}; ` +
      "or set EXAI_WS_HOST to 127.0.0.1",
  );
}

function isLoopbackAddress(host: string): boolean {
  const address = addressBytes(host);
  return address !== undefined && isLoopback(address);
}

/**
 * Checks that the user behind a loopback connection can be identified, if that is what protects the daemon. Tries it
 * with a connection to itself.
 *
 * @throws {ExaiError} `CONFIG` when it cannot
 */
export async function checkPeers(
  { token, peers }: Pick<Settings, "token" | "peers">,
  users: Pick<PeerUsers, "ofPeer">,
): Promise<void> {
  if (token !== "" || peers === "any" || await canIdentifyPeers(users)) return;
  throw new ExaiError(
    "CONFIG",
    "this system does not say which user a loopback connection comes from, so a token is needed: set " +
      "EXAI_WS_TOKEN=auto, or EXAI_WS_PEERS=any to let in every user of this machine",
  );
}

async function canIdentifyPeers(users: Pick<PeerUsers, "ofPeer">): Promise<boolean> {
  // The default address; `::1` on machines with IPv6 only.
  for (const hostname of ["127.0.0.1", "::1"]) {
    try {
      using listener = Deno.listen({ hostname, port: 0 });
      const [client, server] = await Promise.all([
        Deno.connect({ hostname, port: listener.addr.port }),
        listener.accept(),
      ]);
      using _client = client;
      using _server = server;
      return users.ofPeer({ local: listener.addr, remote: client.localAddr }).kind === "own";
    } catch (thrown) {
      if (hostname === "::1") throw thrown;
    }
  }
  return false;
}
