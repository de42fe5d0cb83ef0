import { ExaiError } from "../base/errors.ts";
import { addressBytes, isLoopback } from "../base/ip_address.ts";
import type { Settings } from "../config/settings.ts";
import type { PeerUsers } from "../transport/peer_user.ts";

/** What decides who can reach the daemon, and what stops them. */
export type ExposureSettings = Pick<Settings, "host" | "token" | "tlsCert">;

/**
 * Refuses an address other machines can reach, unless nobody gets in without the token and nobody can read it on the
 * way.
 *
 * @throws {ExaiError} `CONFIG` with what is missing
 */
export function checkExposure(settings: ExposureSettings): void {
  const { host } = settings;
  if (host.toLowerCase() !== "localhost" && !isLoopbackAddress(host)) refuseExposed(host, settings);
}

/**
 * As {@linkcode checkExposure}, for the address the system has listened at: `localhost` is what the machine's hosts
 * file says.
 */
export function checkBoundAddress(address: string, settings: ExposureSettings): void {
  if (!isLoopbackAddress(address)) refuseExposed(`${settings.host} (here ${address})`, settings);
}

function refuseExposed(shown: string, { token, tlsCert }: ExposureSettings): void {
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
 * Sees to it that the users of connections can be told where that is what keeps others out: by a connection to
 * ourselves.
 *
 * @throws {ExaiError} `CONFIG` when they cannot
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
  // The address a default daemon listens at; where only IPv6 is there, the other.
  for (const hostname of ["127.0.0.1", "::1"]) {
    try {
      using listener = Deno.listen({ hostname, port: 0 });
      const [client, server] = await Promise.all([
        Deno.connect({ hostname, port: listener.addr.port }),
        listener.accept(),
      ]);
      using _client = client;
      using _server = server;
      return users.ofPeer({ local: listener.addr, remote: client.localAddr as Deno.NetAddr }).kind === "own";
    } catch (thrown) {
      if (hostname === "::1") throw thrown;
    }
  }
  return false;
}
